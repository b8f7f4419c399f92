import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { jobKey } from "../../shared/domain/reactors/profile.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { drain, event } from "../support/flywheel.ts";
import { publishUnchecked } from "../support/rollups.ts";

let base: TestDatabase;

beforeAll(async () => {
  base = await testDatabase();
});
afterAll(() => base[Symbol.asyncDispose]());

/** Of blocks whose letters are older than the Unicode of any database. */
const everyCharacter = [[0x1, 0x1c7f], [0x2000, 0x2bff], [0x3000, 0x30ff]].flatMap(
  ([first, last]) => Array.from({ length: last! - first! + 1 }, (_, index) => first! + index),
);

test("a job is one to the database exactly where it is one to the reactors", async () => {
  const blank =
    "\t\n\v\f\r\u0001\u001f\u007f\u0085\u009f \u00a0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000\ufeff";
  const turning = "\u061c\u200e\u200f\u202a\u202e\u2066\u2069";
  const near = "\u180e\u200b\u200d\u2060\u2065\u206a";
  const letters = "aÀÉŒŸİıẞßΣςΩΩKÅDŽDžА𐐀Ａ🎓e\u0301_-.%\\[";
  const spelling = fc.array(
    fc.constantFrom(...blank, ...turning, ...near, ...letters, "Data", "x".repeat(70)),
    { maxLength: 12 },
  ).map((parts) => parts.join(""));
  const spellings = [
    ...fc.sample(spelling, 5_000),
    ..."ΑΣ ΑΣ. ΣΑ Σ".split(" "),
    "🎓".repeat(90),
    ...everyCharacter.map((code) => `a${String.fromCodePoint(code)}b`),
  ];
  const rows = await base.admin<{ key: string }[]>`
    select flywheel.job_key(s.said) as key
    from jsonb_array_elements_text(${
    JSON.stringify(spellings)
  }::text::jsonb) with ordinality as s (said, place)
    order by s.place
  `;
  const unlike = rows.flatMap(({ key }, index) =>
    key === jobKey(spellings[index]!) ? [] : [{ said: spellings[index], key }]
  );
  expect(unlike).toEqual([]);
});

test("popular jobs are each told once, in one line, as most write it", async () => {
  const database = base.connect();
  const chosen = {
    "Data Scientist": 2,
    "Data  Scientist": 1,
    "\u00a0Data\nScientist": 1,
    "data scientist": 3,
    "Coach\t": 6,
    "Designer UX": 5,
    " \u200e ": 9,
  };
  await publishUnchecked(
    database,
    Object.entries(chosen).flatMap(([métier, users]) =>
      Array.from({ length: users }, () =>
        event(crypto.randomUUID(), {
          event_type: "métier_choisi",
          app_source: "aube",
          payload: { métier },
        }))
    ),
  );
  await drain(database, []);
  const [row] = await base.admin`select public.get_aube_metrics(1) as metrics`;
  expect(row!.metrics.métiers_populaires).toEqual(["Data Scientist", "Coach", "Designer UX"]);
});
