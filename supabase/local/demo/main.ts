/** `npm run demo`: boots the whole backend in a temporary folder, plays a day through real HTTP calls, stops everything. */
import postgres from "postgres";
import { StackError } from "../stack-error.ts";
import { type Stack, startStack } from "../stack.ts";
import { playDay } from "./day.ts";
import { playJourney } from "./journey.ts";
import { Timeline } from "./timeline.ts";
import { playValidation } from "./validation.ts";

async function main(): Promise<number> {
  const timeline = new Timeline();
  const dataDir = await Deno.makeTempDir({ prefix: "phoenix-demo-" });
  let booting: Promise<Stack> | undefined;
  let stopping: Promise<void> | undefined;
  const stop = () =>
    stopping ??= (async () => {
      // A boot is waited for, or it would go on in a folder that is gone.
      await booting?.then((stack) => stack.stop(), () => {});
      await Deno.remove(dataDir, { recursive: true });
    })();
  let interrupted = false;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(signal, () => {
      interrupted = true;
      // What breaks while all of it is being stopped is no news, and supabase-js would write it.
      console.error = () => {};
      stop().finally(() => Deno.exit(130));
    });
  }

  try {
    timeline.chapter("Phoenix Flywheel");
    console.log(
      "\n  Booting Postgres, REST, Auth, the functions, QStash and Redis on free ports …",
    );
    booting = startStack({ dataDir, serviceEnv: { qstash: { QSTASH_TIME_SCALE: "15" } } });
    const stack = await booting;
    if (interrupted) return 130;
    console.log(`  Ready after ${(stack.bootMs / 1000).toFixed(1)} s: ${stack.env.API_URL}`);
    if (!stack.has("redis-server")) {
      console.log("  No redis-server on this machine: memory serves instead.");
    }
    await nudgeEverybody(stack);
    await playDay(stack, timeline);
    await playValidation(stack, timeline);
    await playJourney(stack, timeline);
    timeline.chapter(`All of it ran for real, in ${timeline.elapsedSeconds()} s.`);
    console.log("  Boot it for yourself with npm start. The README has your first event.\n");
    return 0;
  } catch (error) {
    console.error(error instanceof StackError ? error.message : error);
    return interrupted ? 130 : 1;
  } finally {
    await stop();
  }
}

/** One user in ten is left without nudges, to compare with: not in a story whose people are to be nudged. */
async function nudgeEverybody(stack: Stack): Promise<void> {
  const sql = postgres(stack.env.DB_URL, { max: 1, onnotice: () => {} });
  await sql`update flywheel.settings set reactor_settings = ${
    sql.json({ nudges: { holdout: 0 } })
  }`;
  await sql.end();
}

Deno.exit(await main());
