import type { Clock, Instant } from "./clock.ts";

/** The longest real wait: a machine that slept, or a clock that was set, is noticed this soon. */
const longestWait = 1000;

/**
 * Runs `work` when woken, and again at the instant it returns. Wakes are gathered: any number of
 * them before the next turn of the event loop cause one run.
 */
export function createTimer(clock: Clock, work: () => Instant | undefined) {
  let timeout: ReturnType<typeof setTimeout> | undefined;
  let closed = false;

  function schedule(milliseconds: number): void {
    clearTimeout(timeout);
    if (!closed) timeout = setTimeout(run, milliseconds);
  }

  function run(): void {
    const next = work();
    schedule(Math.min(longestWait, clock.realMillisecondsUntil(next ?? Infinity)));
  }

  return {
    wake: () => schedule(0),
    close(): void {
      closed = true;
      clearTimeout(timeout);
    },
  };
}
