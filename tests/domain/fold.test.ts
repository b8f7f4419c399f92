import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { StoredEvent } from "../../shared/domain/events/envelope.ts";
import { type Backlog, fold, type Folded, shapeOf } from "../../shared/domain/fold.ts";
import type { Reactor } from "../../shared/domain/reactor.ts";
import { foldingOf } from "../support/flywheel.ts";

type Numbers = { seen: readonly number[] };

/** Remembers the numbers it is told, and stumbles over those that it is given. */
function numbers(
  name: string,
  stumbles: (n: unknown) => unknown = () => undefined,
): Reactor<Numbers> {
  return {
    name,
    version: 1,
    initial: { seen: [] },
    react({ seen }, { payload }) {
      const n = (payload as { n: number }).n;
      const nonsense = stumbles(n);
      if (nonsense !== undefined) return nonsense as { state: Numbers };
      return { state: { seen: [...seen, n] } };
    },
  };
}

const fail = () => {
  throw new Error("no");
};

function told(...payloads: number[]): StoredEvent[] {
  return payloads.map((n, index) => ({
    version: index + 1,
    event_id: `00000000-0000-4000-8000-${String(index).padStart(12, "0")}`,
    event_type: "test.told",
    app_source: "website",
    payload: { n },
    correlation_id: null,
    timestamp: 1000 * (index + 1),
    received_at: 1000 * (index + 1),
    set_aside: false,
  }));
}

function run(reactors: readonly Reactor[], backlog: Partial<Backlog>): Folded {
  return fold(reactors, {
    ...foldingOf("6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
    state: {},
    events: [],
    now: undefined,
    attempt: "early",
    ...backlog,
  });
}

describe("a reactor that fails", () => {
  const good = numbers("good");
  const bad = numbers("bad", (n) => n === 2 && fail() || undefined);

  test("stops the fold before that event, with what came before", () => {
    const folded = run([good, bad], { events: told(1, 2, 3) });
    expect(folded).toMatchObject({
      version: 1,
      failure: "bad: no",
      state: { good: { seen: [1] }, bad: { seen: [1] } },
      setAside: [],
    });
  });

  test("has the event set aside after the last attempt, and the others keep what they made of it", () => {
    const folded = run([good, bad], { events: told(1, 2, 3).slice(1), attempt: "last" });
    expect(folded).toMatchObject({
      version: 2,
      failure: undefined,
      state: { good: { seen: [2] } },
      setAside: [{ version: 2, error: "bad: no" }],
    });
  });

  test("may have caused the death of every worker: then the event is not even looked at", () => {
    const folded = run([good], { events: told(1, 2), attempt: "beyond" });
    expect(folded).toMatchObject({
      version: 1,
      state: {},
      setAside: [{ version: 1, error: "no worker survived folding it" }],
    });
  });

  test.each(["last", "beyond"] as const)(
    "is alone in its %s attempt, so that no other event suffers for it",
    (attempt) => {
      expect(run([good], { events: told(1, 2, 3), attempt }).version).toBe(1);
    },
  );

  test("heals when an event that was set aside folds at last, and is not tried for long when it does not", () => {
    const again = told(1, 2, 3).map((event) => ({ ...event, set_aside: event.version === 2 }));
    expect(run([good], { events: again }))
      .toMatchObject({ version: 3, setAside: [{ version: 2, error: undefined }] });
    expect(run([good, bad], { events: again })).toMatchObject({
      version: 3,
      failure: undefined,
      state: { good: { seen: [1, 2, 3] }, bad: { seen: [1, 3] } },
      setAside: [{ version: 2, error: "bad: no" }],
    });
  });
});

describe("nonsense is a failure like any other", () => {
  const cyclic: Record<string, unknown> = {};
  cyclic.self = cyclic;
  const kinds: [string, unknown][] = [
    ["nothing", null],
    ["no state", {}],
    ["a state that is no object", { state: 1 }],
    ["an unknown effect", { state: {}, effects: [{ kind: "party" }] }],
    ["an effect without its fields", { state: {}, effects: [{ kind: "nudge" }] }],
    ["no list of effects", { state: {}, effects: 3 }],
  ];
  const unwritable: [string, unknown][] = [
    ["a bigint", { state: { n: 1n } }],
    ["a cycle", { state: cyclic }],
    ["a function", { state: { f: () => 1 } }],
    ["not a number", { state: { n: NaN } }],
    ["infinity", { state: { n: [Infinity] } }],
    ["half a character", { state: { text: "é\ud83d" } }],
    ["NUL", { state: { text: "a\0b" } }],
    ["a key with NUL", { state: { "\0": 1 } }],
    ["a Map", { state: { map: new Map() } }],
    ["a Date", { state: { at: new Date() } }],
    ["a hole", { state: { list: [undefined] } }],
  ];

  test.each(kinds)("%s", (_, nonsense) => {
    const folded = run([numbers("good"), numbers("bad", () => nonsense)], { events: told(1) });
    expect(folded).toMatchObject({ version: undefined, state: {} });
    expect(folded.failure).toMatch(/^bad: ./);
  });

  test.each(unwritable)("%s, where the fold looks with care", (_, nonsense) => {
    const reactors = [numbers("good"), numbers("bad", () => nonsense)];
    const folded = run(reactors, { events: told(1), attempt: "last", careful: true });
    expect(folded.state).toEqual({ good: { seen: [1] } });
    expect(folded.setAside[0]!.error).toMatch(/^bad: returned what cannot be written: ./);
  });

  test("what JSON holds is no nonsense", () => {
    fc.assert(fc.property(fc.object({ withNullPrototype: true }), fc.jsonValue(), (_, value) => {
      const text = JSON.stringify(value);
      fc.pre(!/\\u0000|\\ud[89a-f]/.test(text));
      const state = { value, missing: undefined };
      const folded = run([numbers("any", () => ({ state }))], { events: told(1), careful: true });
      expect(folded.failure).toBeUndefined();
      expect(folded.state).toEqual({ any: state });
    }));
  });

  test.each([
    ["a text", "boom", "boom"],
    ["an object without a text", Object.create(null), "threw what has no text"],
    ["a text that cannot be written", "a\0b\ud800", "ab\ufffd"],
    ["a text without end", "x".repeat(10_000), "x".repeat(495)],
  ])("%s thrown is told", (_, thrown, told_as) => {
    const thrower = numbers("bad", () => {
      throw thrown;
    });
    expect(run([thrower], { events: told(1) }).failure).toBe(`bad: ${told_as}`);
  });
});

describe("a timer", () => {
  interface Clock {
    next: number;
    rang: readonly number[];
  }

  /** Rings every 1,000 ms from 1,500 on. */
  function clock(
    name: string,
    wake?: (state: Clock, now: number) => { state: Clock },
  ): Reactor<Clock> {
    return {
      name,
      version: 1,
      initial: { next: 1500, rang: [] },
      react: (state) => ({ state }),
      wakeAt: ({ next }) => next,
      wake: wake ?? (({ rang }, now) => ({ state: { next: now + 1000, rang: [...rang, now] } })),
    };
  }

  test("rings between the events where it came due, and until now", () => {
    const order: string[] = [];
    const witness: Reactor = {
      ...clock("clock", ({ rang }, now) => {
        order.push(`timer ${now}`);
        return { state: { next: now + 1000, rang: [...rang, now] } };
      }),
      react: (state, event) => {
        order.push(`event ${event.received_at}`);
        return { state: state as Clock };
      },
    } as Reactor;
    const folded = run([witness], { events: told(1, 2, 3), now: 4600 });
    expect(order).toEqual([
      "event 1000",
      "timer 1500",
      "event 2000",
      "timer 2500",
      "event 3000",
      "timer 3500",
      "timer 4500",
    ]);
    expect(folded.wakeAt).toBe(5500);
  });

  test("does not ring beyond the last event while more wait behind it", () => {
    expect(run([clock("clock")], { events: told(1) }))
      .toMatchObject({ wakeAt: 1500, effects: [] });
  });

  test("rings at the same moments however the backlog is cut into pieces", () => {
    fc.assert(fc.property(
      fc.array(fc.integer({ min: 0, max: 3000 }), { maxLength: 12 }),
      fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }),
      fc.array(fc.integer({ min: 0, max: 2000 }), { minLength: 12, maxLength: 12 }),
      (gaps, cuts, looks) => {
        let at = 0;
        const events = told(...gaps).map((event, index) => ({
          ...event,
          received_at: at += gaps[index]! + 1,
        }));
        const reactors = [clock("clock"), numbers("numbers")];
        const end = at + 5000;
        const whole = run(reactors, { events, now: end });

        let state = {};
        let piece: StoredEvent[] = [];
        events.forEach((event, index) => {
          piece.push(event);
          if (!cuts[index]) return;
          // A worker that finds nothing behind looks at the clock, some time before the next event.
          const next = events[index + 1]?.received_at ?? end;
          const now = Math.min(event.received_at + looks[index]!, next - 1);
          state = run(reactors, { state, events: piece, now }).state;
          piece = [];
        });
        const last = run(reactors, { state, events: piece, now: end });
        expect(last.state).toEqual(whole.state);
        expect(last.wakeAt).toEqual(whole.wakeAt);
      },
    ));
  });

  test("that fails stops the fold, to be tried again", () => {
    expect(run([clock("clock", fail)], { now: 2000 }))
      .toMatchObject({ failure: "clock: no", state: {}, wakeAt: 1500 });
  });

  test("that failed for good is set aside and holds up nothing from then on", () => {
    const reactors = [numbers("good"), clock("clock", fail)];
    const { state, wakeAt, failure } = run(reactors, { now: 2000, attempt: "last" });
    expect({ wakeAt, failure }).toEqual({ wakeAt: undefined, failure: undefined });
    const later = run(reactors, { state, events: told(1, 2), now: 9000 });
    expect(later).toMatchObject({
      version: 2,
      failure: undefined,
      state: { good: { seen: [1, 2] } },
    });
  });

  test("that was set aside rings again at another time, when its reactor asks for one", () => {
    const moved: Reactor<Clock> = {
      ...clock(
        "clock",
        ({ rang }, now) => now < 2000 ? fail() : { state: { next: 9e9, rang: [...rang, now] } },
      ),
      react: (state) => ({ state: { ...state, next: 5000 } }),
    };
    const { state } = run([moved], { now: 2000, attempt: "last" });
    const later = run([moved], { state, events: told(1), now: 6000 });
    expect(later.state).toMatchObject({ clock: { rang: [5000] } });
  });

  test("due before an event is alone in its last attempt: the event comes after", () => {
    const folded = run([clock("clock"), numbers("good")], {
      events: told(1, 2).slice(1),
      attempt: "last",
    });
    expect(folded).toMatchObject({ version: undefined, state: { clock: { rang: [1500] } } });
  });

  test("that does not move on is a failure, not an endless loop", () => {
    const stuck = clock("clock", (state) => ({ state }));
    expect(run([stuck], { now: 2000 }).failure).toBe("clock: its timer does not move on");
  });

  test.each([NaN, Infinity, 9e15, "soon"])(
    "at %s is nonsense of the reaction that asks for it",
    (next) => {
      const odd: Reactor = {
        name: "odd",
        version: 1,
        initial: {},
        react: () => ({ state: { next } }),
        wakeAt: (state) => (state as { next?: number }).next,
        wake: (state) => ({ state }),
      };
      expect(run([odd], { events: told(1), now: 5000 }))
        .toMatchObject({ version: undefined, failure: "odd: wants to be woken at no time" });
    },
  );

  test("of a reactor that cannot say when does not stop the others", () => {
    const lost: Reactor = { ...clock("lost"), wakeAt: fail } as Reactor;
    const folded = run([numbers("good"), lost], { events: told(1), attempt: "last" });
    expect(folded).toMatchObject({ version: 1, state: { good: { seen: [1] } } });
    expect(folded.setAside).toEqual([{ version: 1, error: "lost: no" }]);
  });
});

describe("a reactor that cannot say when, by what it has long remembered,", () => {
  const lost: Reactor = {
    name: "lost",
    version: 1,
    initial: {},
    react: (state) => ({ state }),
    wakeAt: fail,
  };
  const backlog = { state: { lost: { since: 1 } }, events: told(1, 2) };

  test("fails at the next event, though that changes nothing of it", () => {
    expect(run([numbers("good"), lost], backlog)).toMatchObject({
      version: undefined,
      failure: "lost: no",
    });
    expect(run([numbers("good"), lost], { ...backlog, attempt: "last" })).toMatchObject({
      version: 1,
      state: { good: { seen: [1] }, lost: { since: 1 } },
      setAside: [{ version: 1, error: "lost: no" }],
    });
  });
});

test("the shape names every reactor and the version of its state", () => {
  expect(shapeOf([numbers("a"), { ...numbers("b"), version: 7 }])).toBe("a@1 b@7");
});
