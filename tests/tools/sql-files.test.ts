import { basename, dirname } from "node:path";
import { globSync } from "node:fs";
import type postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readSchemaFiles } from "../../supabase/local/postgres/schema-files.ts";
import {
  type ScratchCluster,
  startScratchCluster,
} from "../../supabase/local/postgres/scratch-cluster.ts";
import { PROJECT_SCHEMA } from "../../supabase/tools/schema/places.ts";

const FOLDER = dirname(PROJECT_SCHEMA.script);
const FILES = await readSchemaFiles(PROJECT_SCHEMA.script);

let cluster: ScratchCluster;
/** A database to which the files were applied one by one. */
let sql: postgres.Sql;
/** What each file made, by its path. */
const made = new Map<string, string[]>();

beforeAll(async () => {
  cluster = await startScratchCluster();
  sql = (await cluster.createDatabase()).sql;
  let before = new Set(await objects());
  for (const { path, text } of FILES) {
    await sql.unsafe(text).simple();
    const after = new Set(await objects());
    made.set(path, [...after.difference(before)]);
    before = after;
  }
});

afterAll(() => cluster[Symbol.asyncDispose]());

/** Schemas, the tables, views, types and functions in them by their qualified names, and roles. */
async function objects(): Promise<string[]> {
  const found = await sql<{ name: string }[]>`
    select nspname as name
    from pg_namespace
    union
    select format('%s.%s', relnamespace::regnamespace, relname)
    from pg_class
    where relkind in ('r', 'p', 'v', 'm', 'f', 'c') and not relispartition
    union
    select format('%s.%s', typnamespace::regnamespace, typname)
    from pg_type
    where typtype in ('d', 'e', 'r')
    union
    select format('%s.%s', p.pronamespace::regnamespace, p.proname)
    from pg_proc as p
    where not exists (select from pg_depend as d where d.objid = p.oid and d.deptype = 'e')
    union
    select rolname
    from pg_roles
    where rolname like 'phoenix\\_%'`;
  return found.map(({ name }) => name);
}

test("install.sql names every file once, and no other", () => {
  const there = globSync("**/*.sql", { cwd: FOLDER }).filter((path) => path !== "install.sql");
  expect(FILES.map(({ path }) => path).sort()).toEqual(there.sort());
});

test("a file makes the one object that it is named after, or says who may use it", () => {
  const names = new Set([...made.values()].flat().map(unqualified));
  for (const { path } of FILES) {
    const name = path.endsWith("/schema.sql") ? dirname(path) : basename(path, ".sql");
    if (path === "extensions.sql") continue;
    if (dirname(path) !== "access") expect(made.get(path)!.map(unqualified), path).toEqual([name]);
    else {
      expect(made.get(path), path).toEqual([]);
      expect(names, path).toContain(name);
    }
  }
});

function unqualified(name: string): string {
  return name.slice(name.indexOf(".") + 1);
}

test("every function has an empty search_path", async () => {
  expect(
    await sql`
      select p.oid::regprocedure::text as function
      from pg_proc as p
      where pg_get_userbyid(p.proowner) = current_user
        and not coalesce(p.proconfig @> array['search_path=""'], false)`,
  ).toEqual([]);
});

test("every object has a comment that says what it is for", async () => {
  expect(
    await sql`
      with relation as (
        select oid, relkind, relnamespace
        from pg_class
        where pg_get_userbyid(relowner) = current_user
          and relkind in ('r', 'p', 'v', 'm', 'f', 'c')
          and not relispartition
          and relnamespace <> 'supabase_migrations'::regnamespace
      ),
      object (class, id, part) as (
        select 'pg_namespace'::regclass, oid, 0
        from pg_namespace
        where pg_get_userbyid(nspowner) = current_user and nspname <> 'supabase_migrations'
        union all
        select 'pg_class'::regclass, oid, 0
        from relation
        where relkind <> 'c'
        union all
        select 'pg_class'::regclass, r.oid, a.attnum
        from relation as r
        join pg_attribute as a on a.attrelid = r.oid
        where a.attnum > 0
          and not a.attisdropped
          -- The columns of an internal view are those of its tables.
          and case r.relkind when 'c' then false when 'v' then r.relnamespace = 'public'::regnamespace else true end
        union all
        select 'pg_type'::regclass, t.oid, 0
        from pg_type as t
        left join relation as r on r.oid = t.typrelid
        where pg_get_userbyid(t.typowner) = current_user
          and (t.typtype in ('d', 'e', 'r') or r.relkind = 'c')
        union all
        select 'pg_proc'::regclass, oid, 0
        from pg_proc
        where pg_get_userbyid(proowner) = current_user
        union all
        select 'pg_trigger'::regclass, t.oid, 0
        from pg_trigger as t
        join relation as r on r.oid = t.tgrelid
        where not t.tgisinternal and t.tgparentid = 0
      )
      select pg_describe_object(o.class, o.id, o.part) as uncommented
      from object as o
      left join pg_description as d
        on d.classoid = o.class and d.objoid = o.id and d.objsubid = o.part
      where d.description is null`,
  ).toEqual([]);
});
