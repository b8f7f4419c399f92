import type { Bench } from "./bench.ts";

/** A log to analyse. */
export interface LogSize {
  users: number;
  /** What users do; what the flywheel tells of their transitions comes on top. */
  events: number;
  days: number;
}

/** What was written. */
export interface WrittenLog {
  events: number;
  /** How long the rollups took to rebuild. */
  rebuildSeconds: number;
}

/**
 * Writes a log straight into the tables, as if it had been published and folded, and has the rollups rebuilt from it. Each user does
 * anything in any app at any time; who chooses a job is handed over, and two of three accept.
 */
export async function writeLog(
  bench: Bench,
  size: LogSize,
): Promise<WrittenLog> {
  const { admin } = bench;
  await bench.reset();
  await admin`alter table public.phoenix_events disable trigger user`;
  await admin.unsafe(eventsOf(size));
  await admin`alter table public.phoenix_events enable trigger user`;
  await admin.unsafe(streams);
  await admin.unsafe(nudges);
  await admin.unsafe("vacuum analyze");

  const startedAt = performance.now();
  await admin`select flywheel.rebuild_rollups()`;
  const rebuildSeconds = (performance.now() - startedAt) / 1000;
  await admin.unsafe(
    "vacuum analyze flywheel.rollups, flywheel.durations, flywheel.rollup_increments, flywheel.user_activity",
  );

  const [row] = await admin<{ events: number }[]>`
    select count(*)::integer as events from public.phoenix_events
  `;
  return { events: row!.events, rebuildSeconds };
}

const deeds = `
  ('aube', 'exploration_commencée'), ('aube', 'valeurs_explorées'), ('aube', 'compétences_révélées'),
  ('aube', 'tests_psychométriques_complétés'), ('aube', 'recommandations_générées'), ('aube', 'validation_ia_effectuée'),
  ('aube', 'métier_choisi'), ('aube', 'feedback.submitted'),
  ('cv', 'cv.uploaded'), ('cv', 'cv.generated'), ('cv', 'cv.optimized'), ('cv', 'template.selected'),
  ('letters', 'letter.generated'), ('letters', 'job_offer.analyzed'), ('letters', 'mirror_match.performed'),
  ('rise', 'coaching_session.started'), ('rise', 'coaching_session.completed'), ('rise', 'mood.logged'),
  ('website', 'user.registered'), ('website', 'user.login'), ('website', 'user.logout'),
  ('website', 'subscription.activated')`;

function eventsOf({ users, events, days }: LogSize): string {
  return `
    with deed as (
      select row_number() over () - 1 as number, d.* from (values ${deeds}) as d (app_source, event_type)
    ),
    done as materialized (
      select
        uuid_in(md5(format('user %s', floor(random() * ${users})))::cstring) as user_id,
        floor(random() * (select count(*) from deed))::integer as number,
        now() - random() * interval '${days} days' as "timestamp",
        n as seed
      from generate_series(1, ${events}) as n
    ),
    happened as (
      select
        t.user_id,
        d.event_type,
        d.app_source,
        case d.event_type
          when 'métier_choisi' then jsonb_build_object(
            'métier', (array['Data Scientist', 'Coach', 'Designer UX', 'Boulanger', 'Infirmière'])[1 + t.seed % 5],
            'score_compatibilité', 0.87
          )
          when 'feedback.submitted' then jsonb_build_object('satisfaction', 1 + t.seed % 5)
          when 'mood.logged' then jsonb_build_object('mood_score', 1 + t.seed % 10)
          when 'subscription.activated' then jsonb_build_object('tier', 'premium', 'amount_eur', 9.99)
          else jsonb_build_object('n', t.seed, 'job_title', 'Data Scientist', 'skills', jsonb_build_array('Python', 'SQL'))
        end as payload,
        t."timestamp"
      from done as t
      join deed as d using (number)
      union all
      select
        t.user_id,
        'transition_écosystème',
        'flywheel',
        jsonb_build_object('transition_id', md5(t.seed::text), 'target_app', 'cv', 'status', s.status),
        t."timestamp" + s.later
      from done as t
      join deed as d using (number)
      cross join (values ('requested', interval '0'), ('accepted', interval '7 minutes')) as s (status, later)
      where d.event_type = 'métier_choisi' and (s.status = 'requested' or t.seed % 3 > 0)
    )
    insert into public.phoenix_events (
      user_id, version, event_id, event_type, app_source, payload, "timestamp", received_at, event_hash
    )
    select
      user_id,
      row_number() over (partition by user_id order by "timestamp", event_type),
      gen_random_uuid(),
      event_type,
      app_source,
      payload,
      "timestamp",
      "timestamp",
      sha256(uuid_send(gen_random_uuid()))
    from happened
    order by "timestamp"`;
}

const streams = `
  insert into flywheel.streams (user_id, version, processed_version, counted_version)
  select user_id, max(version), max(version), max(version)
  from public.phoenix_events
  group by user_id`;

/** Half of those who write letters were nudged. */
const nudges = `
  insert into public.phoenix_nudges_sent (
    user_id, nudge_id, nudge_type, app_source, target_app, variant, title, message, cta_label, cta_url, sent_at, expires_at
  )
  select
    user_id, gen_random_uuid(), 'letters_to_cv', 'letters', 'cv', 'a', 'Titre', 'Message', 'Ouvrir',
    'https://cv.example.com/', max("timestamp"), max("timestamp") + interval '7 days'
  from public.phoenix_events
  where app_source = 'letters'
  group by user_id
  having hashtext(user_id::text) % 2 = 0`;
