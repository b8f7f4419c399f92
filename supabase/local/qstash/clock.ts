/** Milliseconds since the Unix epoch, as the wire carries them. */
export type Instant = number;

/** The server's time: real time, or faster than it for tests and demonstrations. */
export interface Clock {
  now(): Instant;
  /** Real milliseconds that pass until `instant`; never negative. */
  realMillisecondsUntil(instant: Instant): number;
}

/**
 * A clock that showed `origin` when it was made equal to real time and has run `timeScale` times as
 * fast since. Every wait (delay, backoff, schedule, deduplication window, flow-control period) is
 * measured on it; signatures and HTTP timeouts are not, because the receiver's clock is real.
 */
export function createClock(origin: Instant, timeScale: number): Clock {
  const now = () => Math.round(origin + (Date.now() - origin) * timeScale);
  return {
    now,
    realMillisecondsUntil: (instant) => Math.max(0, (instant - now()) / timeScale),
  };
}
