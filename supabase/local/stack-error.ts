/** A reason why the stack cannot run, in one line that says what to do about it. */
export class StackError extends Error {
  override readonly name = "StackError";
}
