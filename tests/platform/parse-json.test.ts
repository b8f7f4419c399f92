import fc from "fast-check";
import { expect, test } from "vitest";
import { parseJson } from "../../shared/platform/parse-json.ts";

/** Every character as an escape, which is where V8 goes wrong. */
function escapeAll(text: string): string {
  return [...Array(text.length).keys()]
    .map((at) => `\\u${text.charCodeAt(at).toString(16).padStart(4, "0")}`)
    .join("");
}

/** JSON of an object, its keys written by `write`. */
function spell(object: Record<string, unknown>, write: (key: string) => string): string {
  const entries = Object.entries(object).map(([key, value]) =>
    `"${write(key)}" : ${JSON.stringify(value)}`
  );
  return `{${entries.join(" , ")}}`;
}

/** Has V8 know keys that begin as the others are written. */
function leadAstray(object: Record<string, unknown>, write: (key: string) => string): void {
  const keys = Object.keys(object);
  for (let at = 0; at < keys.length; at++) {
    const astray = keys.map((key, place) => place === at ? write(key).slice(0, key.length) : key);
    JSON.parse(JSON.stringify(Object.fromEntries(astray.map((key) => [key, 0]))));
  }
}

const key = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 4 }),
  fc.constantFrom("\\", '"', "\n", "é", "__proto__", "1", "{", ":", "}", '":{', "\\u"),
);

test("reads every key as it is written, whatever keys were read before", () => {
  fc.assert(
    fc.property(
      fc.dictionary(key, fc.jsonValue({ maxDepth: 3 }), { noNullPrototype: true }),
      fc.constantFrom(escapeAll, (text: string) => JSON.stringify(text).slice(1, -1)),
      (object, write) => {
        leadAstray(object, write);
        // What JSON can hold: minus zero is written as zero.
        const expected = Object.entries(object).map(([name, value]) => [
          name,
          JSON.stringify(value),
        ]);
        const read = parseJson(spell(object, write)) as Record<string, unknown>;
        expect(Object.entries(read).map(([name, value]) => [name, JSON.stringify(value)]))
          .toEqual(expected);
      },
    ),
    { numRuns: 1_000 },
  );
});

test.each([
  [`{"h":[],"\\\\":0}`, `{"h":1,"\\"":2}`, { h: 1, '"': 2 }],
  [`{"h":[],"\\\\u":0}`, `{"h":1,"\\u0041b":2}`, { h: 1, Ab: 2 }],
  [`{"h":[],"\\\\":0}`, `{"h":1,"\\\\":2}`, { h: 1, "\\": 2 }],
  [`{"h":[],"\\\\":0}`, `[{"h":{},"\\n":"{\\":}"}, [], {}, null]`, [
    { h: {}, "\n": '{":}' },
    [],
    {},
    null,
  ]],
  [`{"h":[],"\\\\":0}`, `{"h":1,"\\\\":2,"\\"":3,"h":4}`, { h: 4, "\\": 2, '"': 3 }],
])("after %s reads %s", (before, text, expected) => {
  JSON.parse(before);
  expect(parseJson(text)).toEqual(expected);
});

test("keeps a key called __proto__ a key, beside one that V8 may take for another", () => {
  const read = parseJson(`{"\\\\":1,"__proto__":{"a":2}}`) as object;
  expect(Object.entries(read)).toEqual([["\\", 1], ["__proto__", { a: 2 }]]);
  expect(Object.getPrototypeOf(read)).toBe(Object.prototype);
});

test.each([["lists", "[", "]"], ["objects", '{"a":', "}"]])(
  "reads %s a hundred thousand levels deep beside such a key",
  (_, begin, end) => {
    const levels = 100_000;
    let read = parseJson(`{"\\\\":${begin.repeat(levels)}0${end.repeat(levels)}}`);
    for (let level = 0; level <= levels; level++) [read] = Object.values(read as object);
    expect(read).toBe(0);
  },
);

test.each(["", "{", `{"a":}`, `{"\\\\":1,}`, `{"\\\\" 1}`])("%j is not JSON", (text) => {
  expect(() => parseJson(text)).toThrow(SyntaxError);
});
