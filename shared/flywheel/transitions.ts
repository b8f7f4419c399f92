import { handleWhen, retry } from "cockatiel";
import { z } from "zod";
import { type App, apps, slugOf } from "../domain/apps.ts";
import { checkPayload } from "../domain/events/catalogue.ts";
import { normaliseText } from "../domain/events/normalise.ts";
import { isObject } from "../domain/is-object.ts";
import { profileTypes } from "../domain/reactors/profile.ts";
import { contextFor } from "../domain/reactors/transition-contexts.ts";
import { inMs } from "../domain/settings.ts";
import { transitionStatuses } from "../domain/transition.ts";
import { type Database, refusalOf } from "../platform/database.ts";
import { pageOf } from "./page.ts";
import { readLatestProfile } from "./user.ts";

/** What an app can do with a transition. */
export const transitionSteps = ["accepted", "completed", "rejected"] as const;
export type TransitionStep = (typeof transitionSteps)[number];

/** What the address of a transition names. */
export const transitionAddress = z.object({ transition_id: z.guid() });

/** One of the family's apps, with or without `phoenix_`. */
const app = z.string()
  .transform(slugOf)
  .pipe(z.enum(Object.keys(apps) as [App, ...App[]]));

/** A context by the catalogue's rules, in NFC, with every key that was sent: zod's records leave out `__proto__`. */
const context = z.custom<Record<string, unknown>>(isObject, "must be an object").transform((
  given,
  refinement,
) => {
  const path = unsafeIntegerIn(given);
  if (path) {
    const message = "has more digits than can be kept: send it as text";
    refinement.addIssue({ code: "custom", message, path });
    return z.NEVER;
  }
  const check = checkPayload("transition_écosystème", { context: given });
  if (check.ok) return check.payload.context as Record<string, unknown>;
  for (const { field, message } of check.issues) {
    const path = field.replace(/^payload\.context\.?/, "");
    refinement.addIssue({ code: "custom", message, path: path === "" ? [] : [path] });
  }
  return z.NEVER;
});

/** The path to a whole number that JavaScript may have read otherwise than it was sent; undefined where there is none. */
function unsafeIntegerIn(value: unknown): string[] | undefined {
  if (typeof value === "number") {
    return Number.isInteger(value) && !Number.isSafeInteger(value) ? [] : undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  for (const [key, each] of Object.entries(value)) {
    const path = unsafeIntegerIn(each);
    if (path) return [key, ...path];
  }
  return undefined;
}

/** A transition asked for by hand. */
export const transitionRequest = z.strictObject({
  target_app: app,
  /** The app that the user comes from. */
  source_app: app.default("aube"),
  /** What the target app should know, over what the flywheel knows. */
  context: context.default({}),
  /** Only with a secret key, and then required. */
  user_id: z.guid().optional(),
}).refine(({ target_app, source_app }) => target_app !== source_app, {
  path: ["target_app"],
  message: "must be another app than source_app",
});

export type TransitionRequest = z.output<typeof transitionRequest>;

/** Where a page ended: what the order goes by, so that it does not matter whether that transition is still there. */
const place = z.templateLiteral([z.iso.datetime({ precision: 6 }), "_", z.guid()])
  // There is no such year.
  .refine((text) => !text.startsWith("0000"))
  .transform((text) => {
    const [requested_at, transition_id] = text.split("_") as [string, string];
    return { requested_at, transition_id };
  });

/** Which transitions to list. */
export const transitionsQuery = z.object({
  target_app: app.optional(),
  status: z.enum(transitionStatuses).optional(),
  /** Only with a secret key: whose, and without it everybody's. */
  user_id: z.guid().optional(),
  /** At most: a page ends before where its contexts are large. */
  limit: z.coerce.number().int().min(1).max(200).default(50),
  /** The `next` of the page before. */
  before: place.optional(),
});

export type TransitionsQuery = z.output<typeof transitionsQuery>;

/** How many characters a reason may have. */
export const longestReason = 500;

/** What may go with a step. */
export const stepRequest = z.strictObject({
  /** Why, in a few words. */
  reason: z.string().transform(normaliseText).pipe(z.string().max(longestReason)).optional(),
  /** Only with a secret key: whose transition it is, where the caller knows. */
  user_id: z.guid().optional(),
});

export type Transition = Record<string, unknown> & { transition_id: string };

/**
 * Opens a transition by hand, with what the flywheel knows of the user and what was said now. Asking for the same again while it is
 * open is asking once.
 *
 * @returns the transition
 * @throws PostgresError PT409 where the user said something new of themselves each time, between what was read and what was asked for
 */
export function requestTransition(
  database: Database,
  userId: string,
  request: TransitionRequest,
): Promise<Transition> {
  return whenOvertaken.execute(() => requestOnce(database, userId, request));
}

/** Reads again and asks again. That is seldom needed more than once, but where many publish for one user it is. */
const whenOvertaken = retry(handleWhen((error) => refusalOf(error)?.code === "overtaken"), {
  maxAttempts: 50,
});

async function requestOnce(
  database: Database,
  userId: string,
  { source_app, target_app, context: said }: TransitionRequest,
): Promise<Transition> {
  const { profile, head, settings } = await readLatestProfile(database, userId);
  const context = contextFor(target_app, profile, said);
  const lifetimeMs = inMs(settings.transitions.lifetime_days);
  const [row] = await database<Transition[]>`
    select ${columns(database)}
    from flywheel.request_transition(
      ${userId},
      ${source_app},
      ${target_app},
      ${JSON.stringify(context)}::text::jsonb,
      make_interval(secs => ${lifetimeMs / 1000}),
      ${head},
      ${profileTypes}
    )
  `;
  return row!;
}

/**
 * Transitions, newest first; `next` is null on the last page.
 *
 * @param userId whose; undefined for everybody's
 */
export async function listTransitions(
  sql: Database,
  userId: string | undefined,
  query: TransitionsQuery,
): Promise<{ transitions: Transition[]; next: string | null }> {
  const order = sql`requested_at desc, transition_id desc`;
  const page = pageOf(sql, {
    rows: sql`
      select *
      from public.phoenix_transitions
      where true
        ${userId === undefined ? sql`` : sql`and user_id = ${userId}`}
        ${query.target_app === undefined ? sql`` : sql`and target_app = ${query.target_app}`}
        ${query.status === undefined ? sql`` : sql`and status = ${query.status}`}
        ${
      query.before === undefined ? sql`` : sql`
        and (requested_at, transition_id)
          < (${query.before.requested_at}::text::timestamptz, ${query.before.transition_id})`
    }
    `,
    bytes: sql`octet_length(context::text)`,
    order,
    limit: query.limit,
  });
  const rows = await sql<(Transition & { has_more: boolean; place: string })[]>`
    select
      ${columns(sql)}, has_more,
      to_char(requested_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '_' || transition_id as place
    from (${page}) as p
    order by ${order}
  `;
  return {
    transitions: rows.map(({ has_more: _, place: __, ...transition }) => transition),
    next: rows.at(-1)?.has_more ? rows.at(-1)!.place : null,
  };
}

/**
 * Takes a step of a transition; one that was taken before changes nothing.
 *
 * @param userId whose; undefined where the caller speaks for all users and does not know
 * @returns the transition, or nothing where there is none
 * @throws PostgresError PT409 where its state does not allow the step
 */
export async function stepTransition(
  database: Database,
  userId: string | undefined,
  id: string,
  step: TransitionStep,
  reason: string | undefined,
): Promise<Transition | undefined> {
  const [row] = await database<Transition[]>`
    select ${columns(database)}
    from flywheel.step_transition(${userId ?? null}, ${id}, ${step}, ${reason ?? null})
  `;
  return row;
}

function columns(sql: Database) {
  return sql`
    transition_id, user_id, source_app, target_app, context, status, requested_at, notified_at, accepted_at,
    completed_at, rejected_at, expired_at, expires_at, reason
  `;
}
