/** Longer than the minute that a lost ring costs, and than a machine stands still. */
const WITHIN_MS = 75_000;
const PAUSE_MS = 10;

/**
 * Asks again and again until the answer is neither a failure nor false nor undefined, and returns it.
 *
 * @throws the last failure once 75 s have passed
 */
export async function eventually<T>(ask: () => T | Promise<T>): Promise<NonNullable<T>> {
  const deadline = performance.now() + WITHIN_MS;
  while (true) {
    let failure: unknown = new Error("it never came true");
    try {
      const answer = await ask();
      if (answer !== false && answer !== undefined && answer !== null) return answer;
    } catch (error) {
      failure = error;
    }
    if (performance.now() > deadline) throw failure;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
