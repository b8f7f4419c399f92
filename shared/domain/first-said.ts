/** The first of some texts that says something: a field left blank is as one left out. */
export function firstSaid(...texts: readonly (string | null | undefined)[]): string | undefined {
  return texts.find((text): text is string => text != null && text.trim() !== "");
}
