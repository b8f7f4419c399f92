import type { PlanStep } from "./step.ts";

/** `supabase db push`: the migrations the hosted database has not seen yet. */
export const planDatabase: PlanStep = async ({ project }) => {
  const migrations = await project.pendingMigrations();
  return {
    changes: migrations.map((migration) => `apply ${migration}`),
    apply: () => project.pushMigrations(),
  };
};
