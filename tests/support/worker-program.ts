/**
 * A worker that drains a queue once, in a process that can be killed.
 *
 * Arguments: the database's URL, and `stalls` or `dies`.
 */
import type { Reactor } from "../../shared/domain/reactor.ts";
import { processQueue } from "../../shared/flywheel/process.ts";
import { connect } from "../../shared/platform/database.ts";
import { counting } from "./flywheel.ts";

const [, , url, manner] = Deno.args;

const deadly: Reactor = {
  ...counting as Reactor,
  react(...told) {
    if (manner === "stalls") {
      console.log("folding");
      while (true);
    }
    const [, event] = told;
    if ((event.payload as { kill?: boolean }).kill) Deno.kill(Deno.pid, "SIGKILL");
    return (counting as Reactor).react(...told);
  },
};

const database = connect(url!);
await processQueue(database, { log: () => {}, reactors: [deadly] });
await database.end();
Deno.exit(0);
