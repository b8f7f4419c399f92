/**
 * `JSON.parse`, with every key as it is written. V8 may take a key with an escape in it for a key that holds a backslash, where an
 * object read earlier had that one in its place: `"\""` for `\`, `"\u00e9"` too (https://issues.chromium.org/issues/521080746).
 *
 * @throws SyntaxError where the text is not JSON; RangeError where it has such keys and nests thousands of levels deep
 */
export function parseJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  return text.includes("\\") && someKeyHasBackslash(value) ? parseAsEntries(text) : value;
}

/** Walks without recursion: depth is the attack. */
function someKeyHasBackslash(root: unknown): boolean {
  const stack = [root];
  while (stack.length > 0) {
    const value = stack.pop();
    if (typeof value !== "object" || value === null) continue;
    if (!Array.isArray(value) && Object.keys(value).some((key) => key.includes("\\"))) return true;
    for (const child of Object.values(value)) {
      if (typeof child === "object" && child !== null) stack.push(child);
    }
  }
  return false;
}

const textOrSign = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}:]/g;
const signs: Record<string, string> = { "{": '{"":[', "}": "]}", ":": "," };

/** Reads each object as `{ "": [key, value, key, value, …] }` first, so that its keys are read as texts, which V8 does well. */
function parseAsEntries(text: string): unknown {
  return JSON.parse(
    text.replace(textOrSign, (found) => signs[found] ?? found),
    (_, value) =>
      typeof value !== "object" || value === null || Array.isArray(value)
        ? value
        : Object.fromEntries(pairs(value[""])),
  );
}

function* pairs(list: readonly unknown[]): Generator<[string, unknown]> {
  for (let at = 0; at < list.length; at += 2) yield [String(list[at]), list[at + 1]];
}
