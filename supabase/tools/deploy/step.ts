import type { DoorbellSecret } from "./doorbell-secret.ts";
import type { HostedProject } from "./hosted-project.ts";
import type { Settings } from "./settings.ts";

/** What the steps work with. */
export interface DeployContext {
  settings: Settings;
  project: HostedProject;
  /** Absent where no step that runs needs it. */
  doorbellSecret?: DoorbellSecret | undefined;
  /** The project's folder, absolute. */
  workdir: string;
}

/** A step that has looked at the hosted project and knows what is left to do there. */
export interface PlannedStep {
  /** One line a change; empty when the hosted project is already as it should be. */
  changes: readonly string[];
  /** Something the operator should know although it is not a change. */
  note?: string;
  /** Makes the changes. Safe to run again after it failed halfway. */
  apply(): Promise<void>;
}

/** Looks at the hosted project, changing nothing. */
export type PlanStep = (context: DeployContext) => Promise<PlannedStep>;
