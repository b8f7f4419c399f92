import { vi } from "vitest";

/** The clock by which workers of this process tell how long something takes. */
export interface WorkerClock extends Disposable {
  /** As if so many milliseconds had passed. */
  advance(milliseconds: number): void;
}

/** Takes hold of `performance.now()`, and lets go of it when it is disposed of. */
export function workerClock(): WorkerClock {
  let passed = 0;
  const clock = performance.now.bind(performance);
  const now = vi.spyOn(performance, "now").mockImplementation(() => clock() + passed);
  return {
    advance: (milliseconds) => void (passed += milliseconds),
    [Symbol.dispose]: () => now.mockRestore(),
  };
}
