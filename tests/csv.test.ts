import fc from "fast-check";
import { expect, test } from "vitest";
import { readCsv } from "./support/csv.ts";

const field = fc.string({ unit: fc.constantFrom("a", "é", " ", ",", '"', "\n", "\r\n", "'") });
const names = ["one", "two", "three"];

test("CSV is read as it was written, whatever its fields hold", () => {
  const records = fc.array(fc.tuple(field, field, field));
  fc.assert(fc.property(records, fc.constantFrom("\n", "\r\n"), (records, lineBreak) => {
    const text = [names, ...records]
      .map((fields) => fields.map((text) => `"${text.replaceAll('"', '""')}"`).join(","))
      .join(lineBreak);
    const read = records.map((fields) =>
      Object.fromEntries(fields.map((text, column) => [names[column], text]))
    );
    expect(readCsv(text)).toEqual(read);
    expect(readCsv(text + lineBreak)).toEqual(read);
  }));
});

test("CSV needs no quotes where there is nothing to quote", () => {
  expect(readCsv("a,b\n1,\n,2\n,")).toEqual([
    { a: "1", b: "" },
    { a: "", b: "2" },
    { a: "", b: "" },
  ]);
});

test.each(["a,b\n1", 'a\n"open', 'a\n"1"2', 'a\n1"2"'])("%j is no CSV", (text) => {
  expect(() => readCsv(text)).toThrow(RangeError);
});
