import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { reactors } from "../../shared/domain/reactors/all.ts";
import { lease } from "../../shared/flywheel/lease.ts";
import { pendingNudges } from "../../shared/flywheel/nudges.ts";
import { processQueue } from "../../shared/flywheel/process.ts";
import { reprocess, reprocessRequest } from "../../shared/flywheel/replay.ts";
import { requestTransition, transitionRequest } from "../../shared/flywheel/transitions.ts";
import { readMemory } from "../../shared/flywheel/user.ts";
import { shapeOfWork } from "../../shared/flywheel/work.ts";
import type { Database } from "../../shared/platform/database.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { drain, event, pass, publish, setReactors } from "../support/flywheel.ts";

let base: TestDatabase;
let database: Database;

beforeAll(async () => {
  base = await testDatabase();
  database = base.connect();
  await base.admin`update flywheel.settings set linger = '0'`;
});
afterAll(() => base[Symbol.asyncDispose]());

const set = (nudges: Record<string, unknown>) => setReactors(database, { nudges });

beforeEach(() => set({ holdout: 0 }));

const letter = { event_type: "letter.generated", app_source: "letters" };

/** Somebody who has written a letter. */
async function writer(): Promise<string> {
  const user = crypto.randomUUID();
  await publish(database, event(user, letter));
  await drain(database, reactors);
  return user;
}

const changes = () =>
  base.admin<{ reactor_settings: unknown }[]>`
    select reactor_settings from flywheel.settings_changes order by changed_at`;

describe("the reactors' settings", () => {
  test("have a history, without repetitions, that begins at the beginning", async () => {
    await set({ max_in_period: 1 });
    const before = await changes();
    await set({ max_in_period: 1 });
    await base.admin`update flywheel.settings set lease_users = lease_users`;
    expect(await changes()).toEqual(before);
    await set({ max_in_period: 2 });
    expect(await changes()).toEqual([...before, {
      reactor_settings: { nudges: { max_in_period: 2 } },
    }]);
    const [first] = await base
      .admin`select min(changed_at) = '-infinity' as ever from flywheel.settings_changes`;
    expect(first!.ever).toBe(true);
  });

  test("that were set last stay, though the clock was set back since those before them", async () => {
    await set({ max_in_period: 1 });
    await base.admin`
      update flywheel.settings_changes
      set changed_at = changed_at + interval '1 hour'
      where changed_at = (select max(changed_at) from flywheel.settings_changes)
    `;
    await set({ max_in_period: 0 });
    const user = await writer();
    const memory = await readMemory(database, user);
    await base.admin`delete from flywheel.settings_changes where changed_at > now()`;
    expect(memory).toMatchObject({ settings: { nudges: { max_in_period: 0 } } });
  });

  test("that change count from the moment when others can see them, so that a replay folds as it was", async () => {
    await set({ holdout: 0 });
    const user = crypto.randomUUID();
    const stateOf = async () =>
      (await base.admin`select state from flywheel.states where user_id = ${user}`)[0]!.state;
    await base.admin.begin(async (sql) => {
      await sql`
        update flywheel.settings
        set reactor_settings = '{"nudges": {"holdout": 0, "lifetime_days": 1}}'
      `;
      await publish(database, event(user, letter));
      await drain(database, reactors);
    });
    const before = await stateOf();
    await reprocess(database, reprocessRequest.parse({ user_id: user }));
    await drain(database, reactors);
    expect(await stateOf()).toEqual(before);
  });

  test("are read once, however often somebody leases or asks, until they change", async () => {
    const user = await writer();
    const inForce = async () => {
      await publish(database, event(user, { payload: { id: crypto.randomUUID() } }));
      const { settingsAt } = (await lease(database, shapeOfWork(reactors)))!;
      await pass(base.admin, "1 hour");
      await drain(database, reactors);
      await requestTransition(database, user, transitionRequest.parse({ target_app: "cv" }));
      const memory = await readMemory(database, user);
      return [settingsAt(Infinity), memory.kind === "fresh" && memory.settings]
        .map((settings) => settings && settings.nudges.max_in_period);
    };
    await set({ max_in_period: 5 });
    expect(await inForce()).toEqual([5, 5]);
    await base.admin`alter function flywheel.settings_history() rename to settings_history_away`;
    try {
      expect(await inForce()).toEqual([5, 5]);
    } finally {
      await base.admin`alter function flywheel.settings_history_away() rename to settings_history`;
    }
    await set({ max_in_period: 6 });
    expect(await inForce()).toEqual([6, 6]);
  });

  test("that make no sense are passed over, and the operator is told", async () => {
    await set({ holdout: 2 });
    const user = crypto.randomUUID();
    const said: [string, unknown][] = [];
    await publish(database, event(user, letter));
    await processQueue(database, { log: (_, message, fields) => said.push([message, fields]) });
    expect(await pendingNudges(database, user)).toHaveLength(1);
    expect(said).toContainEqual([
      "reactor_settings are refused: those before them count",
      { flaw: expect.stringMatching(/^nudges\.holdout: /) },
    ]);
  });

  test("that make no sense leave those before them in force, on pages and for transitions", async () => {
    const user = crypto.randomUUID();
    await publish(database, event(user));
    for (const more of [{}, { typo: 1 }]) {
      const said = { journey: { pause_minutes: 600 }, transitions: { lifetime_days: 2 }, ...more };
      await database`
        update flywheel.settings set reactor_settings = ${JSON.stringify(said)}::text::jsonb
      `;
    }
    expect(await readMemory(database, user)).toMatchObject({
      settings: { journey: { pause_minutes: 600 } },
    });
    const request = transitionRequest.parse({ target_app: "cv" });
    const { requested_at, expires_at } = await requestTransition(database, user, request);
    expect(Number(expires_at) - Number(requested_at)).toBe(2 * 86_400_000);
  });
});
