/**
 * How deep a JSON value may nest: far above what an event needs, far below what overflows the stack of
 * a recursive reader such as `JSON.stringify` or Postgres' parser.
 */
export const maximumDepth = 1000;

const encoder = new TextEncoder();

type Container = unknown[] | Record<string, unknown>;

// NFC leaves every character below U+0300 alone, so most texts need no closer look.
const mayChange = /[\u0300-\uffff]/;

/** The text in Unicode's NFC: `é` is one character, however it was typed. */
export function normaliseText(text: string): string {
  return mayChange.test(text) ? text.normalize("NFC") : text;
}

/**
 * A copy of a JSON value with every key and every text in NFC.
 *
 * Two spellings of one key are a duplicate key; which of them counts is for
 * `flywheel.canonical_json()` to say: the last one in `jsonb`'s order.
 *
 * @returns the copy, or `undefined` when the value nests deeper than {@link maximumDepth}.
 */
export function normaliseJson(value: unknown): unknown {
  const root = [value];
  let level: Container[] = [root];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > maximumDepth) return undefined;
    const below: Container[] = [];
    for (const container of level) normaliseChildren(container, below);
    level = below;
  }
  return root[0];
}

/** Normalises a container's children in place and adds those that are containers themselves to `below`. */
function normaliseChildren(container: Container, below: Container[]): void {
  if (Array.isArray(container)) {
    for (let index = 0; index < container.length; index++) {
      container[index] = normaliseChild(container[index], below);
    }
  } else {
    for (const key of Object.keys(container)) {
      container[key] = normaliseChild(container[key], below);
    }
  }
}

function normaliseChild(child: unknown, below: Container[]): unknown {
  if (typeof child === "string") return normaliseText(child);
  if (typeof child !== "object" || child === null) return child;
  const copy = Array.isArray(child) ? child.slice() : copyWithNormalisedKeys(child);
  below.push(copy);
  return copy;
}

function copyWithNormalisedKeys(object: object): Record<string, unknown> {
  const entries = Object.entries(object);
  const copy = fromNormalised(entries);
  const isOneKeyTwice = Object.keys(copy).length < entries.length;
  return isOneKeyTwice ? fromNormalised(entries.sort(inOrderOfJsonb)) : copy;
}

// `fromEntries` defines its keys, where assignment would take one named `__proto__` for the prototype.
function fromNormalised(entries: readonly [string, unknown][]): Record<string, unknown> {
  return Object.fromEntries(entries.map(([key, value]) => [normaliseText(key), value]));
}

/** Compares by their keys: the shorter one in UTF-8 comes first, of two as long the one with the lesser bytes. */
function inOrderOfJsonb([a]: [string, unknown], [b]: [string, unknown]): number {
  const [left, right] = [encoder.encode(a), encoder.encode(b)];
  const differing = left.findIndex((byte, index) => byte !== right[index]);
  return left.length - right.length || left[differing]! - right[differing]!;
}
