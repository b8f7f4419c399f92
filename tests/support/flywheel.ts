import type postgres from "postgres";
import type { Backlog } from "../../shared/domain/fold.ts";
import type { Reactor } from "../../shared/domain/reactor.ts";
import { counting as rollupMemory } from "../../shared/domain/rollups/count.ts";
import { defaultSettings } from "../../shared/domain/settings.ts";
import { effectId } from "../../shared/flywheel/effect-id.ts";
import { type Processed, processQueue } from "../../shared/flywheel/process.ts";
import type { Publication } from "../../shared/flywheel/publication.ts";
import { createPublisher, type Publish } from "../../shared/flywheel/publish.ts";
import type { Database } from "../../shared/platform/database.ts";
import { parseJson } from "../../shared/platform/parse-json.ts";

/** The name under which a user's state keeps what the rollups remember: what the reactors remember is compared without it. */
export const rollups = rollupMemory.name;

/** An event as a publisher sends it. */
export type Event = Record<string, unknown>;

/** An event of a user, of a type that is not in the catalogue where `fields` does not say another. */
export function event(user_id: string, fields: Event = {}): Event {
  return { user_id, event_type: "test.happened", app_source: "website", payload: {}, ...fields };
}

/** Publishes as a server with a secret key does: one event, several, or any other body. */
export function publish(
  database: Database,
  body: Event | readonly Event[],
  more: Record<string, unknown> = {},
): Promise<Publication> {
  const value = Array.isArray(body) ? { events: body, ...more } : body;
  return publishText(database, JSON.stringify(value));
}

/** Publishes a body as it is written, to the last digit. */
export function publishText(database: Database, text: string): Promise<Publication> {
  let publisher = publishers.get(database);
  if (!publisher) publishers.set(database, publisher = createPublisher(database));
  return publisher({ text, value: parseJson(text) }, undefined);
}

/** One for each pool of connections, as an instance of a function has one. */
const publishers = new WeakMap<Database, Publish>();

/** Appends events as the flywheel itself does, which nobody else can publish. */
export async function tell(sql: postgres.Sql, events: readonly Event[]): Promise<void> {
  if (events.length === 0) return;
  await sql`
    select flywheel.append_events(
      array(
        select
          row(
            (e.value ->> 'user_id')::uuid, gen_random_uuid(), false, e.value ->> 'event_type', 'flywheel',
            e.value -> 'payload', '{}', null, null, null, (e.value ->> 'timestamp')::timestamptz,
            sha256(gen_random_uuid()::text::bytea), '{}'
          )::flywheel.incoming_event
        from jsonb_array_elements(${sql.json(events as postgres.JSONValue)}) as e
      ),
      '0'
    )
  `;
}

/** Works as one worker, who hands on when its time is over: returns what was done. */
export function oneWorker(database: Database, reactors: readonly Reactor[]): Promise<Processed> {
  return processQueue(database, { log: () => {}, reactors });
}

/** Works as one worker after the other until nothing is due: returns what was done. */
export async function drain(database: Database, reactors: readonly Reactor[]): Promise<Processed> {
  const total = await oneWorker(database, reactors);
  // On a busy machine one may not be enough.
  for (let last = total; last.processed > 0 && mayHaveHandedOn(last);) {
    last = await oneWorker(database, reactors);
    for (const [what, count] of Object.entries(last)) total[what as keyof Processed] += count;
  }
  return total;
}

/** Whether a worker may have left something, by the settings as they come. */
function mayHaveHandedOn({ duration_ms, processed }: Processed): boolean {
  return duration_ms >= 5_000 || processed >= 20_000;
}

/** What a fold needs to know of its user besides what happened. */
export function foldingOf(user_id: string): Pick<Backlog, "user_id" | "settingsAt" | "idOf"> {
  return {
    user_id,
    settingsAt: () => defaultSettings,
    idOf: (cause, effect) => effectId(user_id, cause, effect),
  };
}

/** Remembers how often it saw which version, and makes an effect of every event. */
export const counting: Reactor<{ count: number; versions: readonly number[] }> = {
  name: "counting",
  version: 1,
  initial: { count: 0, versions: [] },
  react: ({ count, versions }, event) => ({
    state: { count: count + 1, versions: [...versions, event.version] },
    effects: [nudgeAt(event.received_at)],
  }),
};

interface Alarm {
  due?: number;
  rang: readonly number[];
}

/** Wants to be woken as many milliseconds after an event as the payload's `delay` says, unless another event comes before; `never` calls it off. */
export const alarm: Reactor<Alarm> = {
  name: "alarm",
  version: 1,
  initial: { rang: [] },
  react({ rang }, { payload, received_at }) {
    const { delay } = payload as { delay?: number | "never" };
    return { state: typeof delay === "number" ? { rang, due: received_at + delay } : { rang } };
  },
  wakeAt: ({ due }) => due,
  wake: ({ rang }, now) => ({ state: { rang: [...rang, now] }, effects: [nudgeAt(now)] }),
};

/** A nudge as a reactor makes it. */
export function nudgeAt(at: number) {
  return {
    kind: "nudge",
    nudge_type: "cv_to_letters",
    app_source: "website",
    target_app: "letters",
    variant: "default",
    title: "Titre",
    message: "Message",
    cta_label: "Ouvrir",
    cta_url: "https://letters.example.com/",
    expires_at: at + 86_400_000,
  } as const;
}

/** What a user's stream has come to: its state, its events in order and the causes of the nudges. */
export async function storyOf(sql: postgres.Sql, user_id: string) {
  const [stream] = await sql<
    { version: number; processed: number; attempts: number; state: Record<string, unknown> }[]
  >`
    select
      s.version::int, s.processed_version::int as processed, s.attempts,
      coalesce(st.state::jsonb - ${rollups}, '{}') as state
    from flywheel.streams as s
    left join flywheel.states as st using (user_id)
    where user_id = ${user_id}
  `;
  const events = await sql<
    {
      version: number;
      event_id: string;
      app_source: string;
      ai_processing_error: string | null;
    }[]
  >`
    select version::int, event_id, app_source, ai_processing_error
    from public.phoenix_events
    where user_id = ${user_id}
    order by version
  `;
  const nudges = await sql<{ causation_id: string | null }[]>`
    select causation_id from public.phoenix_nudges_sent where user_id = ${user_id}
  `;
  return {
    version: stream?.version ?? 0,
    processed: stream?.processed ?? 0,
    attempts: stream?.attempts ?? 0,
    state: stream?.state ?? {},
    events: [...events],
    causes: nudges.map(({ causation_id }) => causation_id),
  };
}

/**
 * As if time had passed for everybody's leases, backoffs and timers.
 *
 * @param time an interval as the database reads it, such as `1 hour`
 */
export async function pass(sql: postgres.Sql, time: string): Promise<void> {
  await sql`
    with due as materialized (
      select user_id from flywheel.streams where available_at is not null order by user_id for no key update
    )
    update flywheel.streams as s
    set available_at = s.available_at - ${time}::text::interval
    from due
    where s.user_id = due.user_id
  `;
}

/** Changes the reactors' settings as an operator does, with a secret key's role; returns once the change counts. */
export async function setReactors(
  database: Database,
  settings: Record<string, unknown>,
): Promise<void> {
  await database`update flywheel.settings set reactor_settings = ${
    JSON.stringify(settings)
  }::text::jsonb`;
  // A change counts for what happens after its millisecond.
  await new Promise((resolve) => setTimeout(resolve, 2));
}
