import type { Bench } from "./bench.ts";

/** Waits until no worker is at work any more: one that lingers would take part in what is measured next. */
export async function untilQuiet({ admin, signal }: Bench): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    const [row] = await admin<{ busy: boolean }[]>`
      select exists (select from flywheel.worker_slots where expires_at > clock_timestamp()) as busy
    `;
    if (!row!.busy) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
