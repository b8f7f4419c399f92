/** A reason why the stack cannot run, in one line that says what to do about it. */
export class StackError extends Error {
  override readonly name = "StackError";
}

/** What an error says, for the sentence that tells people of it. */
export function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
