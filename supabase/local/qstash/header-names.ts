/** A header's name as QStash's answers write it: `content-type` becomes `Content-Type`. */
export function canonicalHeaderName(name: string): string {
  return name.toLowerCase().replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase());
}

/** Headers as QStash's answers write them: canonical names, each with a list of values. */
export function headerLists(headers: Iterable<[string, string]>): Record<string, string[]> {
  const lists: Record<string, string[]> = {};
  for (const [name, value] of headers) (lists[canonicalHeaderName(name)] ??= []).push(value);
  return lists;
}
