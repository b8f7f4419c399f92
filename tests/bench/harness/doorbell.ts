import type { Bench } from "./bench.ts";

/** Works on an empty store with the doorbell connected, and leaves it disconnected, with no worker at work. */
export async function withDoorbell<Done>(bench: Bench, work: () => Promise<Done>): Promise<Done> {
  const net = bench.stack.service("net");
  await bench.reset();
  await net.start();
  try {
    return await work();
  } finally {
    await net.stop();
    await untilQuiet(bench);
    await bench.reset();
  }
}

/** Waits until the last worker has left: one that lingers takes part in what comes next. */
export async function untilQuiet({ admin, signal }: Bench): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    const [row] = await admin<{ busy: boolean }[]>`
      select exists (select from flywheel.worker_slots where expires_at > clock_timestamp()) as busy
    `;
    if (!row!.busy) return;
    await pause(10);
  }
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, milliseconds)));
}
