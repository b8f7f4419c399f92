import type { Reactor } from "../reactor.ts";
import { activity } from "./activity.ts";
import { journey } from "./journey.ts";
import { nudges } from "./nudges.ts";
import { profile } from "./profile.ts";
import { transitions } from "./transitions.ts";
import { wellbeing } from "./wellbeing.ts";

/** Every reactor, in the order in which an event passes through them: each may read what those before it remember. */
export const reactors: readonly Reactor[] = [
  profile,
  activity,
  wellbeing,
  journey,
  nudges,
  transitions,
];
