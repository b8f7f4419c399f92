import type { Reactor } from "../reactor.ts";
import { nudges } from "./nudges.ts";

/** Every reactor, in the order in which an event passes through them. */
export const reactors: readonly Reactor[] = [nudges];
