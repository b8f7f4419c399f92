import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { z } from "zod";
import {
  type ScratchCluster,
  startScratchCluster,
} from "../../supabase/local/postgres/scratch-cluster.ts";
import {
  databaseFromMigrations,
  databaseFromSource,
} from "../../supabase/tools/schema/databases.ts";
import { drift } from "../../supabase/tools/schema/drift.ts";
import { PROJECT_SCHEMA } from "../../supabase/tools/schema/places.ts";
import { supabaseCli } from "../../supabase/tools/supabase-cli.ts";

// Each comparison starts the Supabase CLI, and that is a large program.
vi.setConfig({ testTimeout: 300_000 });

let cluster: ScratchCluster;

beforeAll(async () => {
  cluster = await startScratchCluster();
});

afterAll(() => cluster[Symbol.asyncDispose]());

test("the migrations, pushed by the Supabase CLI, give the schema and the rows of sql/", async () => {
  const source = await databaseFromSource(cluster, PROJECT_SCHEMA);
  const pushed = await cluster.createDatabase();
  await supabaseCli(["db", "push", "--yes", `--remote=${pushed.url}`], z.unknown());
  expect(await drift(pushed, source)).toBe("");
});

test("the local stack applies migrations as the Supabase CLI does", async () => {
  const migrated = await databaseFromMigrations(cluster, PROJECT_SCHEMA);
  const { migrations } = await supabaseCli(
    ["db", "push", "--dry-run", `--remote=${migrated.url}`],
    z.object({ migrations: z.array(z.string()) }),
  );
  expect(migrations).toEqual([]);
});

test("a PGSSLMODE meant for a hosted database keeps none here from being compared", async () => {
  vi.stubEnv("PGSSLMODE", "require");
  onTestFinished(() => void vi.unstubAllEnvs());
  const [one, other] = [await cluster.createDatabase(), await cluster.createDatabase()];
  await other.sql`create table public.jobs (id bigint)`;
  expect(await drift(one, other)).toMatch(/create table "public"."jobs"/i);
});

test("whatever was changed in a database is noticed", async () => {
  const source = await databaseFromSource(cluster, PROJECT_SCHEMA);
  const changed = await databaseFromSource(cluster, PROJECT_SCHEMA);
  await changed.sql.unsafe(`
    comment on column public.phoenix_events.version is 'changed';
    grant insert on public.phoenix_events to anon;
    alter default privileges in schema flywheel grant select on tables to anon;
    alter table flywheel.streams disable row level security;
    alter table flywheel.states set (fillfactor = 42);
    drop policy "Users read their own events" on public.phoenix_events;
    alter function flywheel.ring(boolean) security invoker;
    alter function flywheel.lease(text) reset search_path;
    alter table public.phoenix_events disable trigger ring_on_append;
    alter type flywheel.verdict add attribute more text;
    drop index public.phoenix_events_timestamp;
    alter table public.phoenix_nudges_sent alter column success drop expression;
    alter table flywheel.streams drop constraint streams_check;
    delete from flywheel.doorbell;
    update flywheel.settings set max_workers = 5;
  `).simple();
  const noticed = await drift(changed, source);
  for (
    const part of [
      /comment on column "public"."phoenix_events"."version" is 'Place/,
      /revoke all on table "public"."phoenix_events" from "anon"/,
      /alter default privileges .* in schema "flywheel" revoke/,
      /alter table "flywheel"."streams"\s+enable row level security/,
      /fillfactor=70/,
      /create policy "Users read their own events"/,
      /function flywheel.ring [^$]*security definer/,
      /function flywheel.lease [^$]*set search_path to ''/,
      /enable trigger "ring_on_append"/,
      /alter type "flywheel"."verdict"\s+drop attribute "more"/,
      /create index phoenix_events_timestamp/,
      /generated always as/,
      /add constraint "streams_check"/,
      /missing row: flywheel.doorbell/,
      /missing row: flywheel.settings .*"max_workers": 4/,
      /surplus row: flywheel.settings .*"max_workers": 5/,
    ]
  ) expect(noticed).toMatch(new RegExp(part, "i"));
});
