import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  requestTransition,
  stepTransition,
  transitionRequest,
} from "../../shared/flywheel/transitions.ts";
import type { Database } from "../../shared/platform/database.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { event, nudgeAt, publish } from "../support/flywheel.ts";

let base: TestDatabase;
let database: Database;

beforeAll(async () => {
  base = await testDatabase();
  database = base.connect();
});
afterAll(() => base[Symbol.asyncDispose]());

const newId = () => crypto.randomUUID();
const minute = 60_000;

type Kind = "nudges" | "nudge_changes" | "dead_letters" | "transitions" | "expiries";

/** Writes one effect as a commit of these users does. */
async function write(kind: Kind, effect: object, committed: string[]): Promise<unknown> {
  const effects = JSON.stringify([effect]);
  const [row] = await base.admin`
    select ${
    base.admin(`flywheel.write_${kind}`)
  }(${effects}::text::jsonb, ${committed}::uuid[]) as written
  `;
  return row!.written;
}

const nudgeFor = (user_id: string) => ({
  user_id,
  effect_id: newId(),
  at: Date.now(),
  ...nudgeAt(Date.now()),
});

const transitionFor = (user_id: string, more: object = {}) => ({
  user_id,
  effect_id: newId(),
  source_app: "aube",
  target_app: "cv",
  context: {},
  at: Date.now(),
  expires_at: Date.now() + minute,
  ...more,
});

const ask = (user: string) =>
  requestTransition(database, user, transitionRequest.parse({ target_app: "cv" }));

async function statusOf(transition_id: string): Promise<string> {
  const [row] = await base.admin`
    select status from public.phoenix_transitions where transition_id = ${transition_id}
  `;
  return row!.status;
}

describe("of a user whom a commit refuses", () => {
  const refused = () => [newId()];

  test("no nudge is written, and none is changed", async () => {
    const user = newId();
    const nudge = nudgeFor(user);
    const cancelled = { user_id: user, nudge_id: nudge.effect_id, change: "cancelled", at: 1 };
    const written = () =>
      base.admin`
        select cancelled_at is null as waits from public.phoenix_nudges_sent where user_id = ${user}
      `;
    await write("nudges", nudge, refused());
    expect(await written()).toEqual([]);
    await write("nudges", nudge, [user]);
    await write("nudge_changes", cancelled, refused());
    expect(await written()).toEqual([{ waits: true }]);
    await write("nudge_changes", cancelled, [user]);
    expect(await written()).toEqual([{ waits: false }]);
  });

  test("no event is set aside", async () => {
    const user = newId();
    await publish(database, event(user));
    const dead = () =>
      base.admin`
        select from public.phoenix_events where user_id = ${user} and ai_processing_error is not null
      `;
    const letter = { user_id: user, version: 1, error: "it hurts" };
    await write("dead_letters", letter, refused());
    expect(await dead()).toHaveLength(0);
    await write("dead_letters", letter, [user]);
    expect(await dead()).toHaveLength(1);
  });

  test("no transition is opened, and none expires", async () => {
    const user = newId();
    expect(await write("transitions", transitionFor(user), refused())).toBe("0");
    const { transition_id } = await ask(user);
    await write("expiries", { user_id: user, transition_id }, refused());
    expect(await statusOf(transition_id)).toBe("requested");
    await write("expiries", { user_id: user, transition_id }, [user]);
    expect(await statusOf(transition_id)).toBe("expired");
  });
});

test("of transitions that one moment brought the last is open, however many they are, and the next moment's is later than all", async () => {
  const user = newId();
  const at = Date.now();
  const together = Array.from(
    { length: 1_010 },
    () => transitionFor(user, { at, causation_id: newId() }),
  );
  const next = transitionFor(user, { at: at + 1, causation_id: newId() });
  const inOrder = () =>
    base.admin<{ transition_id: string; status: string }[]>`
      select transition_id, status from public.phoenix_transitions where user_id = ${user} order by requested_at
    `;
  for (const each of together) expect(await write("transitions", each, [user])).toBe("1");
  expect(await statusOf(together.at(-1)!.effect_id)).toBe("requested");
  expect((await inOrder()).slice(0, 999).map(({ transition_id }) => transition_id)).toEqual(
    together.slice(0, 999).map(({ effect_id }) => effect_id),
  );
  expect(await write("transitions", next, [user])).toBe("1");
  expect((await inOrder()).at(-1)).toEqual({ transition_id: next.effect_id, status: "requested" });
});

describe("of what a worker has folded late", () => {
  test("no transition takes the place of one that was asked for since", async () => {
    const user = newId();
    const { transition_id } = await ask(user);
    const late = transitionFor(user, { at: Date.now() - minute });
    expect(await write("transitions", late, [user])).toBe("0");
    expect(await statusOf(transition_id)).toBe("requested");
    expect(await write("transitions", transitionFor(user, { at: Date.now() + 1 }), [user])).toBe(
      "1",
    );
    expect(await statusOf(transition_id)).toBe("expired");
  });

  test("no transition takes the place of one that was asked for in the same millisecond", async () => {
    const user = newId();
    const { transition_id, requested_at } = await ask(user);
    const late = transitionFor(user, { at: Math.floor(Number(requested_at)) });
    expect(await write("transitions", late, [user])).toBe("0");
    expect(await statusOf(transition_id)).toBe("requested");
  });

  test("no transition is opened whose time is over", async () => {
    const user = newId();
    const over = transitionFor(user, { at: Date.now() - minute, expires_at: Date.now() - 1 });
    expect(await write("transitions", over, [user])).toBe("0");
  });

  test("no transition expires that was accepted meanwhile", async () => {
    const user = newId();
    const { transition_id } = await ask(user);
    await stepTransition(database, user, transition_id, "accepted", undefined);
    await write("expiries", { user_id: user, transition_id }, [user]);
    expect(await statusOf(transition_id)).toBe("accepted");
  });
});
