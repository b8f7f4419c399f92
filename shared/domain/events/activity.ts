import { accountEvents } from "./account.ts";
import { flywheelEvents } from "./flywheel.ts";

const others: ReadonlySet<string> = new Set(
  [accountEvents, flywheelEvents].flatMap((events) => Object.keys(events)),
);

/** Whether a type is something that a user does in an app: signing in, paying or complaining is not, nor is what the flywheel tells. */
export function isActivity(event_type: string): boolean {
  return !others.has(event_type);
}
