/**
 * What keeps a value from coming back from the database as it is, or undefined: JSON cannot hold it, or Postgres' `jsonb` cannot.
 * Properties that are undefined are left out there, and that is no flaw.
 */
export function jsonFlaw(value: unknown, within: readonly unknown[] = []): string | undefined {
  switch (typeof value) {
    case "boolean":
      return undefined;
    case "string":
      return value.includes("\0") ? "NUL" : value.isWellFormed() ? undefined : "half a character";
    case "number":
      return Number.isFinite(value) ? undefined : String(value);
    case "object":
      break;
    default:
      return `a value of type ${typeof value}`;
  }
  if (value === null) return undefined;
  if (within.includes(value)) return "itself";
  if (!Array.isArray(value) && !isPlain(value)) return `a ${value.constructor?.name}`;
  const path = [...within, value];
  for (const [key, each] of Object.entries(value)) {
    const flaw = each === undefined && !Array.isArray(value)
      ? undefined
      : jsonFlaw(key) ?? jsonFlaw(each, path);
    if (flaw !== undefined) return flaw;
  }
  return undefined;
}

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
