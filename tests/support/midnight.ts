const DAY = 86_400_000;

/** Waits for a UTC day to begin where less than this is left of the one before, so that what follows counts one day's days. */
export async function awayFromMidnight(milliseconds = 30_000): Promise<void> {
  const left = DAY - Date.now() % DAY;
  if (left < milliseconds) await new Promise((resolve) => setTimeout(resolve, left + 10));
}
