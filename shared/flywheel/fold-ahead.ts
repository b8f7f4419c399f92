import type { EventEffect } from "../domain/effect.ts";
import { type Backlog, type CausedEffect, fold, type Folded } from "../domain/fold.ts";
import type { Reactor } from "../domain/reactor.ts";
import { countedTime } from "../domain/rollups/counted-event.ts";
import { parseJson } from "../platform/parse-json.ts";
import type { Result } from "./commit.ts";
import type { LeasedEvent, LeasedStream } from "./lease.ts";

/**
 * Folds what a fold itself tells, as it will stand in the log, so that its user need not be leased once more for it. The commit
 * refuses the user if it comes to stand there otherwise: who publishes meanwhile comes first.
 *
 * @param stream a whole backlog, leased for the first time
 * @param folded what it came to
 * @param leased_at when what is told counts as received, microseconds since 1970
 * @returns nothing where nothing is told, or where that may be told already
 */
export function foldAhead(
  reactors: readonly Reactor[],
  context: Pick<Backlog, "user_id" | "settingsAt" | "idOf">,
  { version, behind, events }: LeasedStream,
  folded: Folded,
  leased_at: number,
): Omit<Result, "user_id" | "is_uncounted"> | undefined {
  const told = folded.effects.filter(isTold);
  if (told.length === 0 || folded.failure !== undefined) return undefined;
  // A replay tells what stands further on in the log.
  if (!events.every(({ is_new }) => is_new)) return undefined;

  const head = version + behind;
  const received_at = Math.floor(leased_at / 1000);
  // What is told would count as received before what it follows on, if the clock was set back in between.
  if ((events.at(-1)?.received_at ?? 0) > received_at) return undefined;
  let ahead: LeasedEvent[];
  try {
    ahead = told.map(({ effect, cause }, index) => ({
      version: head + 1 + index,
      event_id: context.idOf(cause, effect),
      event_type: effect.event_type,
      app_source: effect.app_source,
      payload: parseJson(JSON.stringify(effect.payload)) as LeasedEvent["payload"],
      correlation_id: effect.correlation_id ?? cause.correlation_id,
      timestamp: cause.at,
      at: countedTime(cause.at * 1000),
      received_at,
      set_aside: false,
      is_new: true,
    }));
  } catch {
    // What JSON cannot hold is for the commit to refuse.
    return undefined;
  }
  const further = fold(reactors, {
    ...context,
    state: folded.state,
    events: ahead,
    now: received_at,
    attempt: "early",
  });
  // What fails will fail again once it is leased, and be dealt with then.
  if (further.failure !== undefined) return undefined;
  return {
    version: head + ahead.length,
    folded: {
      ...further,
      effects: [...folded.effects, ...further.effects],
      setAside: [...folded.setAside, ...further.setAside],
    },
    events: [...events, ...ahead],
    ahead: ahead.length,
  };
}

function isTold(caused: CausedEffect): caused is CausedEffect & { effect: EventEffect } {
  return caused.effect.kind === "event";
}
