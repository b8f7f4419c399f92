import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { count, type CountMemory } from "../../../shared/domain/rollups/count.ts";
import { type CountedEvent, countedTime } from "../../../shared/domain/rollups/counted-event.ts";
import { Increments } from "../../../shared/domain/rollups/increments.ts";

type Event = CountedEvent & { is_new: boolean };

const day = 86_400_000_000;
const monday = 20_003 * day;

function event(event_type: string, at: number, more: Partial<Event> = {}): Event {
  return { event_type, app_source: "aube", payload: {}, at: monday + at, is_new: true, ...more };
}

/** Counts a batch: what it adds, and what is remembered then. */
function countBatch(memory: CountMemory | undefined, batch: Event[]) {
  const increments = new Increments();
  const done = count(memory, batch, increments.add);
  const rows = JSON.parse(increments.toJson()) as unknown[][];
  return { ...done, rows: rows.map((row) => JSON.stringify(row)).sort() };
}

/** Counts batches one after the other. */
function counted(...batches: Event[][]) {
  const increments = new Increments();
  let memory: CountMemory | undefined;
  const late: boolean[] = [];
  for (const batch of batches) {
    const done = count(memory, batch, increments.add);
    memory = done.memory;
    late.push(done.isLate);
  }
  const rows = (JSON.parse(increments.toJson()) as unknown[][]).map((row) => JSON.stringify(row));
  return { rows: rows.sort(), memory, late };
}

/** The rows of a figure, without its name. */
const rowsOf = (figure: string, ...batches: Event[][]) =>
  counted(...batches).rows
    .map((row) => JSON.parse(row) as unknown[])
    .filter(([name]) => name === figure)
    .map(([, on, ...rest]) => [Number(on) - 20_003, ...rest]);

const types = [
  "exploration_commencée",
  "valeurs_explorées",
  "métier_choisi",
  "transition_écosystème",
  "subscription.activated",
  "feedback.submitted",
  "user.login",
];

const anyEvent: fc.Arbitrary<Event> = fc.record({
  event_type: fc.constantFrom(...types),
  app_source: fc.constantFrom("aube", "cv", "letters", "flywheel", "constructor"),
  payload: fc.dictionary(
    fc.constantFrom(
      "métier",
      "status",
      "transition_id",
      "target_app",
      "app_cible",
      "amount_eur",
      "satisfaction",
    ),
    fc.oneof(
      fc.jsonValue() as fc.Arbitrary<unknown>,
      fc.constantFrom<unknown>("requested", "accepted", "cv", "Coach", 1, 4.5),
    ),
  ),
  at: fc.tuple(fc.integer({ min: -400, max: 100 }), fc.constantFrom(day / 3, 3 * day))
    .map(([times, step]) => monday + times * step),
  is_new: fc.boolean(),
});

const inOrder = fc.array(anyEvent, { maxLength: 40 }).map((events) =>
  [...events].sort((a, b) => a.at - b.at).map((each) => ({ ...each, is_new: true }))
);

test("the same is added however the events are cut into batches", () => {
  fc.assert(
    fc.property(inOrder, fc.nat(40), (events, cut) => {
      const whole = counted(events);
      const parts = counted(events.slice(0, cut), events.slice(cut));
      expect(parts.rows).toEqual(whole.rows);
      expect(parts.memory).toEqual(whole.memory);
      expect(whole.late).toEqual([false]);
    }),
  );
});

test("what was counted before adds nothing in a replay, and is remembered as it was", () => {
  fc.assert(
    fc.property(inOrder, fc.nat(40), (events, seen) => {
      const [before, after] = [events.slice(0, seen), events.slice(seen)];
      const first = countBatch(undefined, before);
      const old = before.map((each) => ({ ...each, is_new: false }));
      expect(countBatch(undefined, old)).toMatchObject({ rows: [], memory: first.memory });
      expect(countBatch(undefined, [...old, ...after])).toEqual(countBatch(first.memory, after));
    }),
  );
});

test("what is remembered does not depend on the order in which events come", () => {
  fc.assert(
    fc.property(inOrder, fc.infiniteStream(fc.nat()), (events, dice) => {
      // What became of a transition is told in order; all else may come late.
      const own = events.filter(({ app_source }) => app_source !== "flywheel");
      // Of what happened at one moment that counts last which was told last: it stays in order.
      const places = new Map(own.map(({ at }) => [at, dice.next().value as number]));
      const shuffled = own.toSorted((a, b) => places.get(a.at)! - places.get(b.at)!);
      const normal = (memory: CountMemory | undefined) =>
        memory && {
          ...memory,
          events: { ...memory.events, seen: [...memory.events.seen ?? []].sort() },
          presence: memory.presence.map((each) => each.join(" ")).sort(),
          paid: memory.paid?.map((each) => each.join(" ")).sort(),
        };
      expect(normal(counted(shuffled).memory)).toEqual(normal(counted(own).memory));
    }),
  );
});

test("no payload makes counting fail", () => {
  fc.assert(
    fc.property(fc.array(anyEvent), (events) => {
      expect(() => counted(events)).not.toThrow();
    }),
    { numRuns: 500 },
  );
});

test("a thousand events are remembered in no more space than a hundred", () => {
  const story = (length: number) =>
    Array.from({ length }, (_, index) =>
      event(types[index % types.length]!, index * day, {
        app_source: ["aube", "cv", "letters", "rise"][index % 4]!,
        payload: { métier: "Coach", amount_eur: 10, satisfaction: 4 },
      }));
  const size = (length: number) => JSON.stringify(counted(story(length)).memory).length;
  expect(size(1000)).toBeLessThan(size(100) * 1.1);
});

test("ten thousand apps, types, payments and transitions are remembered in no more space than a thousand", () => {
  const story = (length: number) =>
    Array.from({ length }, (_, index) => {
      const app_source = `app-${index}`;
      const transition_id = `transition-${index}`;
      const tell = (status: string) =>
        event("transition_écosystème", index, {
          app_source: "flywheel",
          payload: { transition_id, target_app: "cv", status },
        });
      return [
        event(`type_${index}`, index, { app_source }),
        event("subscription.activated", index, { app_source, payload: { amount_eur: 5 } }),
        tell("requested"),
        tell(["accepted", "rejected", "expired"][index % 3]!),
      ];
    }).flat();
  const size = (length: number) => JSON.stringify(counted(story(length)).memory).length;
  expect(size(10_000)).toBeLessThan(size(1000) * 1.1);
});

test("a payment a day is remembered for as long as a period may ask for it, and costs no more after ten thousand", () => {
  const pay = (n: number) =>
    event("subscription.activated", n * day, { payload: { amount_eur: 5 } });
  const days = (length: number) => Array.from({ length }, (_, n) => pay(n));
  const { memory } = counted(days(10_000));
  expect(memory!.paid).toHaveLength(367);
  const { rows } = countBatch(memory, [event("cv.generated", 10_000 * day, { app_source: "cv" })]);
  expect(rows.length).toBeLessThan(1000);
});

test("nothing is added where an event happened before one that came earlier: the database counts the user", () => {
  const done = counted([event("user.login", 2 * day)], [event("métier_choisi", day, {
    payload: { métier: "Coach" },
  })]);
  expect(done.late).toEqual([false, true]);
  expect(done.rows).toEqual(counted([event("user.login", 2 * day)]).rows);
});

test("nor is anything added where what came before is not counted yet", () => {
  const { memory } = counted([event("user.login", 0)]);
  const increments = new Increments();
  const { isLate } = count(memory, [event("user.login", day)], increments.add, true);
  expect(isLate).toBe(true);
  expect(increments.toJson()).toBe("[]");
});

test("what the flywheel tells comes in order as long as it comes on no earlier day, and keeps nobody else's events in order", () => {
  const told = (at: number) => event("nudge.cancelled", at, { app_source: "flywheel" });
  expect(counted([event("cv.generated", day + 693)], [told(day)], [told(day - 1)]).late)
    .toEqual([false, false, true]);
  expect(counted([told(9 * day)], [event("cv.generated", day)]).late).toEqual([false, false]);
});

test.each(["aube", "flywheel"])(
  "what came late to %s and is counted keeps nothing from being added in a replay, but what comes late again",
  (app_source) => {
    const on = (days: number, is_new: boolean) =>
      event("test.happened", days * day, { app_source, is_new });
    const replayed = [on(2, false), { ...on(1, false), event_type: "test.came_late" }];
    const increments = new Increments();
    const done = count(undefined, [...replayed, on(2, true), on(3, true)], increments.add);
    expect(done.isLate).toBe(false);
    expect(JSON.parse(increments.toJson())).toEqual(
      expect.arrayContaining([
        // A user of that day already.
        ["event", 20_005, app_source, "test.happened", 1, 0, "0"],
        [
          "event",
          20_006,
          app_source,
          "test.happened",
          1,
          1,
          app_source === "aube" ? String(day) : "0",
        ],
      ]),
    );
    expect(count(undefined, [...replayed, on(1, true)], increments.add).isLate).toBe(true);
  },
);

test("what came late is not what a user did last: the next moves them from where they are", () => {
  const did = (métier: string, days: number) => [
    event("métier_choisi", days * day, { payload: { métier } }),
    ...["requested", "accepted"].map((status) =>
      event("transition_écosystème", days * day, {
        app_source: "flywheel",
        payload: { transition_id: métier, target_app: "cv", status },
      })
    ),
  ];
  const { memory } = counted(did("Coach", 5), did("Boulanger", 3));
  expect(countBatch(memory, did("Data Scientist", 6)).rows).toEqual(
    expect.arrayContaining([
      JSON.stringify(["job", 20_008, "", "Coach", -1, 0, "0"]),
      JSON.stringify(["job", 20_009, "", "Data Scientist", 1, 0, "0"]),
      JSON.stringify(["transition_asked", 20_008, "", "", -1, 0, "0"]),
      JSON.stringify(["transition_asked", 20_009, "", "", 1, 0, "0"]),
      JSON.stringify(["transition_taken", 20_008, "", "", -1, 0, "0"]),
      JSON.stringify(["transition_taken", 20_009, "", "", 1, 0, "0"]),
    ]),
  );
});

test("what is said to have happened before 1900 counts in 1900", () => {
  expect(countedTime(-62_135_596_800_000_000)).toBe(-25_567 * day);
});

describe("figures", () => {
  const hour = day / 24;

  test("count a user once a day, app and type, and the time since their event before", () => {
    expect(rowsOf("event", [
      event("user.login", 0),
      event("user.login", hour),
      event("nudge.shown", 2 * hour, { app_source: "flywheel" }),
      event("user.login", day),
    ])).toEqual([
      [0, "aube", "user.login", 2, 1, String(hour)],
      [0, "flywheel", "nudge.shown", 1, 1, "0"],
      [1, "aube", "user.login", 1, 1, String(day - hour)],
    ]);
  });

  test("keep users on the day of their last event, in each app and in any", () => {
    expect(rowsOf("last_event", [
      event("user.login", 0),
      event("user.login", day, { app_source: "cv" }),
    ], [
      event("user.login", 3 * day),
    ])).toEqual([
      [1, "cv", "", 1, 0, "0"],
      [3, "", "", 1, 0, "0"],
      [3, "aube", "", 1, 0, "0"],
    ]);
  });

  test("count a cohort's weeks, once each", () => {
    expect(rowsOf("retention", [
      event("user.login", 0),
      event("user.login", day),
      event("user.login", 15 * day, { app_source: "cv" }),
      event("user.login", 16 * day),
    ])).toEqual([
      [0, "", "0", 1, 0, "0"],
      [0, "", "2", 1, 0, "0"],
      [0, "aube", "0", 1, 0, "0"],
      [0, "aube", "2", 1, 0, "0"],
      [14, "cv", "0", 1, 0, "0"],
    ]);
  });

  test("time each step from the one that the user reached before it, and tell where they stopped", () => {
    const steps = [
      event("exploration_commencée", 0),
      event("compétences_révélées", 10 * 60_000_000),
      event("valeurs_explorées", 25 * 60_000_000),
      event("valeurs_explorées", 99 * 60_000_000),
    ];
    expect(rowsOf("step", steps)).toEqual([
      [0, "", "compétences_révélées", 1, 0, "0", [600], []],
      [0, "", "exploration_commencée", 1, 0, "0"],
      [0, "", "valeurs_explorées", 1, 0, "0", [900], []],
    ]);
    expect(rowsOf("exit", steps)).toEqual([[0, "", "valeurs_explorées", 1, 0, "0"]]);
    expect(rowsOf("exit", steps, [event("métier_choisi", day)])).toEqual([]);
  });

  test("move what a user paid to where several products find it", () => {
    const paid = event("subscription.activated", day, {
      app_source: "website",
      payload: { amount_eur: 9.99 },
    });
    const cv = event("cv.generated", 0, { app_source: "cv" });
    expect(rowsOf("revenue", [cv, paid])).toEqual([[0, "", "1", 1, 0, "999"]]);
    const letters = event("letter.generated", 2 * day, { app_source: "letters" });
    expect(rowsOf("revenue", [cv, paid], [letters])).toEqual([
      [0, "", "2", 1, 0, "999"],
      [1, "", "1", 1, 0, "999"],
    ]);
  });

  test("leave out what was paid longer than any period before several products find it", () => {
    const pay = (days: number) =>
      event("subscription.activated", days * day, {
        app_source: "website",
        payload: { amount_eur: 5 },
      });
    const cv = (days: number) => event("cv.generated", days * day, { app_source: "cv" });
    const aube = (days: number) => event("page.vue", days * day);
    const on = (
      days: number,
      many: number,
      times = 1,
    ) => [days, "", String(many), times, 0, String(times * 500)];
    const revenue = (...events: Event[]) => rowsOf("revenue", ...events.map((each) => [each]));
    expect(revenue(cv(0), pay(1), cv(367))).toEqual([on(1, 1)]);
    expect(revenue(cv(0), pay(1), cv(368))).toEqual([]);
    expect(revenue(cv(0), pay(1), pay(367))).toEqual([on(0, 1, 2)]);
    expect(revenue(cv(0), pay(1), pay(368)), "the later one").toEqual([on(0, 1)]);
    const several = [cv(0), aube(1), pay(2), aube(368)];
    expect(revenue(...several)).toEqual([on(0, 2), on(2, 1)]);
    expect(revenue(...several, cv(368))).toEqual([on(2, 1), on(2, 2)]);
    expect(revenue(...several, cv(369))).toEqual([on(2, 1)]);
    expect(revenue(cv(0), aube(0), pay(0), pay(1000)), "what has been found stays")
      .toEqual([on(0, 1, 2), on(0, 2, 2)]);
  });

  test.each<[figure: string, event_type: string, key: string, right: unknown[], wrong: unknown[]]>([
    ["satisfaction", "feedback.submitted", "satisfaction", [1, 5], [0.99, 5.01, -3, "4", null]],
    [
      "revenue",
      "subscription.activated",
      "amount_eur",
      [0, 1_000_000],
      [-0.01, 1_000_001, "9.99", null],
    ],
    // Of characters, however many units of text each takes.
    ["job", "métier_choisi", "métier", ["C", "🎓".repeat(100)], ["", "🎓".repeat(101), 7, null]],
  ])(
    "leave out a %s that cannot be right, and count the event",
    (figure, event_type, key, right, wrong) => {
      const said = (value: unknown) => [event(event_type, 0, { payload: { [key]: value } })];
      for (const value of right) {
        expect(rowsOf(figure, said(value)), String(value)).toMatchObject([{ 3: 1 }]);
      }
      for (const value of wrong) {
        expect(rowsOf(figure, said(value)), String(value)).toEqual([]);
        expect(rowsOf("event", said(value)), String(value)).toMatchObject([{ 3: 1 }]);
      }
    },
  );

  test.each<[string, Record<string, unknown>, boolean]>([
    ["that names no app and no status", {}, true],
    ["whose names are left blank", { status: " ", target_app: "\t", app_cible: "\u00a0" }, true],
    ["that names an app", { target_app: "cv" }, false],
    ["whose app is named under the other name alone", { target_app: " ", app_cible: "cv" }, false],
    ["to an app of no such name", { target_app: "Phoenix CV" }, false],
    ["to an app whose name is no text", { app_cible: ["cv"] }, false],
    ["whose status is blank", { status: " ", target_app: "cv" }, false],
    ["whose status is no text", { status: 1 }, false],
    ["whose names are null", { status: null, target_app: null, app_cible: null }, true],
  ])("take a transition %s: %j for one that was taken: %s", (_, payload, isTaken) => {
    const steps = [
      event("exploration_commencée", 0),
      event("transition_écosystème", 0, { payload }),
    ];
    const taken = isTaken ? [[0, "", "", 1, 0, "0"]] : [];
    expect(rowsOf("transition", steps)).toEqual(taken);
    expect(rowsOf("step", steps).length).toBe(isTaken ? 2 : 1);
  });

  test("take a transition that was completed for a step that the user has reached, and not for one more that was taken", () => {
    const completed = [
      event("exploration_commencée", 0),
      event("transition_écosystème", 0, { payload: { status: "completed", target_app: "cv" } }),
    ];
    expect(rowsOf("step", completed).map(([, , step]) => step)).toEqual([
      "exploration_commencée",
      "transition_écosystème",
    ]);
    expect(rowsOf("transition", completed)).toEqual([]);
  });

  test("follow a transition from request to acceptance and to the user's return after 30 days", () => {
    const told = (status: string, at: number, transition_id = "t") =>
      event("transition_écosystème", at, {
        app_source: "flywheel",
        payload: { transition_id, target_app: "cv", status },
      });
    const saga = [told("requested", 0), told("notified", hour), told("accepted", 2 * hour)];
    expect(rowsOf("transition_time", saga)).toEqual([[0, "", "", 1, 0, String(2 * hour)]]);
    expect(rowsOf("transition", saga)).toEqual([[0, "", "", 1, 0, "0"]]);
    const back = (days: number) => event("cv.generated", days * day, { app_source: "cv" });
    expect(rowsOf("transition_return", saga, [back(29)])).toEqual([[0, "", "taken", 1, 0, "0"]]);
    expect(rowsOf("transition_return", saga, [back(29), back(30)])).toEqual([
      [0, "", "returned", 1, 0, "0"],
      [0, "", "taken", 1, 0, "0"],
    ]);
    const again = [told("requested", 3 * hour, "u"), told("accepted", 4 * hour, "u")];
    expect(rowsOf("transition_return", saga, again, [back(30)])).toEqual([
      [0, "", "returned", 2, 0, "0"],
      [0, "", "taken", 2, 0, "0"],
    ]);
  });

  test("know no time from request to acceptance where a clock was set back in between", () => {
    const told = (status: string, at: number) =>
      event("transition_écosystème", at, {
        app_source: "flywheel",
        payload: { transition_id: "t", target_app: "cv", status },
      });
    for (const [passed, times] of [[-1, []], [0, [[0, "", "", 1, 0, "0"]]]] as const) {
      const saga = [told("requested", hour), told("accepted", hour + passed)];
      expect(rowsOf("transition_time", saga), String(passed)).toEqual(times);
      expect(rowsOf("transition_taken", saga)).toEqual([[0, "", "", 1, 0, "0"]]);
    }
  });

  test.each<[Record<string, unknown>, target: string | undefined]>([
    [{ target_app: "cv", app_cible: "letters" }, "cv"],
    [{ target_app: " ", app_cible: "letters" }, "letters"],
    [{ app_cible: "phoenix_letters" }, "letters"],
    [{ target_app: "Phoenix CV", app_cible: "cv" }, undefined],
    [{}, undefined],
  ])(
    "know the app that a transition leads to by the first name that is said: %j: %s",
    (names, target) => {
      const told = (status: string) =>
        event("transition_écosystème", 0, {
          app_source: "flywheel",
          payload: { transition_id: "t", status, ...names },
        });
      for (const app_source of ["cv", "letters", "phoenix_letters", "Phoenix CV"]) {
        const back = event("test.happened", 30 * day, { app_source });
        const returned = rowsOf("transition_return", [told("requested"), told("accepted"), back])
          .filter(([, , key]) => key === "returned");
        expect(returned.length, app_source).toBe(app_source === target ? 1 : 0);
      }
    },
  );
});
