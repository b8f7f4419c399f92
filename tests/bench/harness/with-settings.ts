import type postgres from "postgres";
import type { Bench } from "./bench.ts";

/** Works under other settings of the flywheel, and puts back those that were. */
export async function withSettings<Done>(
  { admin }: Bench,
  settings: Readonly<Record<string, postgres.SerializableParameter>>,
  work: () => Promise<Done>,
): Promise<Done> {
  const names = Object.keys(settings);
  const [before] = await admin`select ${admin(names)} from flywheel.settings`;
  await admin`update flywheel.settings set ${admin(settings, names)}`;
  try {
    return await work();
  } finally {
    await admin`update flywheel.settings set ${admin(before!, names)}`;
  }
}
