/**
 * Reads CSV as RFC 4180 has it: fields may be quoted, and hold commas, line breaks and doubled quotes then.
 *
 * @returns a record a line, by the names of the first one
 * @throws RangeError where a line has not as many fields as the first
 */
export function readCsv(text: string): Record<string, string>[] {
  const [names = [], ...lines] = readLines(text);
  return lines.map((fields, index) => {
    if (fields.length !== names.length) throw new RangeError(`record ${index + 1} is not whole`);
    return Object.fromEntries(names.map((name, column) => [name, fields[column]!]));
  });
}

function readLines(text: string): string[][] {
  const lines: string[][] = [];
  let fields: string[] = [];
  // One field and what ends it: a comma, a line break or the end of the text.
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/gy;
  while (field.lastIndex < text.length) {
    const [, quoted, plain = "", end] = field.exec(text) ??
      fail(`the text is not CSV near record ${lines.length + 1}`);
    fields.push(quoted?.replaceAll('""', '"') ?? plain);
    if (end === ",") continue;
    lines.push(fields);
    fields = [];
  }
  // A comma that ends the text has an empty field behind it.
  if (fields.length > 0) lines.push([...fields, ""]);
  return lines;
}

function fail(message: string): never {
  throw new RangeError(message);
}
