import fc from "fast-check";
import { expect, test } from "vitest";
import {
  maximumDepth,
  normaliseJson,
  normaliseText,
} from "../../../shared/domain/events/normalise.ts";

test("a text is what Unicode's NFC makes of it", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    expect(normaliseText(text)).toBe(text.normalize("NFC"));
    expect(normaliseText(text.normalize("NFD"))).toBe(text.normalize("NFC"));
  }));
});

test("a character that NFC changes is never passed over", () => {
  for (let code = 0; code < 0x30000; code++) {
    const character = String.fromCodePoint(code);
    if (normaliseText(character) !== character.normalize("NFC")) {
      throw new Error(`U+${code.toString(16)} is passed over`);
    }
  }
});

test("a JSON value is normalised in its keys and texts, and nowhere else", () => {
  fc.assert(fc.property(fc.jsonValue({ stringUnit: "grapheme" }), (value) => {
    const text = JSON.stringify(value);
    expect(normaliseJson(JSON.parse(text.normalize("NFD"))))
      .toEqual(JSON.parse(text.normalize("NFC")));
  }));
});

test("of two spellings of one key the longer one in UTF-8 counts, of two as long the greater, as in jsonb", () => {
  for (
    const [one, other] of [["é", "e\u0301"], ["A\u030a", "\u212b"], [
      "a\u0301\u0323",
      "a\u0323\u0301",
    ]] as const
  ) {
    const key = one.normalize("NFC");
    expect(normaliseJson({ [one]: 1, [other]: 2 }), key).toEqual({ [key]: 2 });
    expect(normaliseJson({ [other]: 2, [one]: 1 }), key).toEqual({ [key]: 2 });
  }
});

test("the copy shares nothing with the original", () => {
  const original = { list: [{ a: 1 }] };
  const copy = normaliseJson(original) as typeof original;
  copy.list[0]!.a = 2;
  expect(original).toEqual({ list: [{ a: 1 }] });
});

test("a value that nests too deep is not copied", () => {
  const nested = (depth: number) => JSON.parse("[".repeat(depth) + "]".repeat(depth));
  expect(normaliseJson(nested(maximumDepth))).toBeDefined();
  expect(normaliseJson(nested(maximumDepth + 1))).toBeUndefined();
});
