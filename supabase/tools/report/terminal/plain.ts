/** A text that somebody else wrote, without what a terminal would obey: control characters, and marks that turn the direction of reading. */
export function plain(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "�");
}
