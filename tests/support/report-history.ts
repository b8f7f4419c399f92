import type postgres from "postgres";
import { journeySteps } from "../../shared/domain/journey-steps.ts";
import { reactors } from "../../shared/domain/reactors/all.ts";
import { murmur3 } from "../../shared/domain/murmur3.ts";
import type { TestDatabase } from "./database.ts";
import { drain, type Event, publish, tell } from "./flywheel.ts";
import { userOf } from "./rollups.ts";

const DAY = 86_400_000;

/** The name that somebody who means no good might give to a job. */
export const HOSTILE_JOB = `</table><script>document.title = "owned"</script>\u001b[31m & Co`;

const steps = journeySteps.slice(0, -1);

/** Ten weeks of 150 users, handled by the flywheel, the same each time but for the date, and what came of four experiments. */
export async function writeHistory(base: TestDatabase): Promise<void> {
  const database = base.connect();
  const now = Date.now();
  const events = Array.from({ length: 150 }, (_, user) => lifeOf(user, now)).flat();
  for (let first = 0; first < events.length; first += 500) {
    const { rejected } = await publish(database, events.slice(first, first + 500));
    if (rejected > 0) throw new Error("an event of the history was refused");
  }
  await tell(base.admin, Array.from({ length: 150 }, (_, user) => handoverOf(user, now)).flat());
  await base.admin`update flywheel.settings set linger = '0'`;
  await drain(database, reactors);
  await writeExperiments(base.admin);
}

/** A number from 0 to 1: the same for the same arguments. */
function chance(...of: (string | number)[]): number {
  return murmur3(of.join(" ")) / 2 ** 32;
}

function begunAt(user: number, now: number): number {
  return now - (1 + chance("begin", user) * 68) * DAY;
}

function lifeOf(user: number, now: number): Event[] {
  const begun = begunAt(user, now);
  const event = (at: number, app_source: string, event_type: string, payload: Event = {}) =>
    at >= now ? [] : [{
      user_id: userOf(user),
      app_source,
      event_type,
      payload,
      timestamp: new Date(at).toISOString(),
    }];
  const reached = reachedBy(user);
  const exploration = steps.slice(0, reached).flatMap((event_type, step) =>
    event(
      begun + step * (3 + chance("pace", user) * 20) * 60_000,
      "aube",
      event_type,
      event_type === "métier_choisi" ? { métier: jobOf(user) } : {},
    )
  );
  const returns = Array.from({ length: 10 }, (_, week) => week).flatMap((week) => {
    if (chance("stays", user, week) > 0.75 / (1 + week / 3)) return [];
    const at = begun + week * 7 * DAY + chance("when", user, week) * 3 * DAY;
    const [app, type] = chance("app", user, week) < 0.45
      ? ["cv", "cv.generated"] as const
      : chance("app", user, week) < 0.8
      ? ["letters", "letter.generated"] as const
      : ["rise", "goal.set"] as const;
    return event(at, app, type);
  });
  const paid = chance("pays", user) < 0.3
    ? event(begun + DAY, "website", "subscription.activated", { amount_eur: 9.99 + (user % 3) * 5 })
    : [];
  const said = chance("says", user) < 0.5
    ? event(begun + 2 * DAY, "aube", "feedback.submitted", { satisfaction: 3 + user % 3 })
    : [];
  return [...exploration, ...returns, ...paid, ...said];
}

/** How many steps of an exploration the user takes. */
function reachedBy(user: number): number {
  return Math.floor(1 + chance("reached", user) ** 0.4 * steps.length);
}

function jobOf(user: number): string {
  const jobs = ["Data Scientist", "Coach", "Designer UX", HOSTILE_JOB, "Infirmière", "Boulanger"];
  return jobs[Math.floor(chance("job", user) ** 2 * jobs.length)]!;
}

/** What the flywheel told of a transition then. */
function handoverOf(user: number, now: number): Event[] {
  if (reachedBy(user) < steps.length) return [];
  const asked = begunAt(user, now) + 3_600_000;
  const target_app = user % 2 === 0 ? "cv" : "letters";
  const transition_id = crypto.randomUUID();
  return [
    { status: "requested", at: asked },
    ...(chance("accepts", user) < 0.6
      ? [{ status: "accepted", at: asked + (5 + chance("waits", user) * 40) * 60_000 }]
      : []),
  ].map(({ status, at }) => ({
    user_id: userOf(user),
    event_type: "transition_écosystème",
    payload: { transition_id, target_app, status },
    timestamp: new Date(Math.min(at, now)).toISOString(),
  }));
}

/** Nudges of other users than those above, in place of what the flywheel has sent so far. */
async function writeExperiments(sql: postgres.Sql): Promise<void> {
  await sql`delete from public.phoenix_nudges_sent`;
  for (
    const [nudge_type, target_app, variant, sent, converted] of [
      ["letters_to_cv", "cv", "a", 120, 19],
      ["letters_to_cv", "cv", "b", 118, 27],
      ["letters_to_cv", "cv", "holdout", 83, 5],
      ["cv_to_letters", "letters", "a", 60, 9],
      ["cv_to_letters", "letters", "b", 55, 4],
      ["cv_to_letters", "letters", "holdout", 30, 3],
      ["wellbeing_support", "rise", "a", 20, 6],
    ] as const
  ) {
    await sql`
      insert into public.phoenix_nudges_sent (
        user_id, nudge_id, nudge_type, app_source, target_app, variant, title, message, cta_label, cta_url, expires_at,
        shown_at, clicked_at, converted_at
      )
      select
        gen_random_uuid(), gen_random_uuid(), ${nudge_type}, 'website', ${target_app}, ${variant}, 'Titre', 'Message',
        'Ouvrir', 'https://example.com', now() + interval '1 day',
        case when n <= ${sent} * 0.8 and ${variant} <> 'holdout' then now() end,
        case when n <= ${converted} * 1.5 and ${variant} <> 'holdout' then now() end,
        case when n <= ${converted} then now() end
      from generate_series(1, ${sent}::integer) as n`;
  }
}
