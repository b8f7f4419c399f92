import { afterAll, beforeAll, expect, test } from "vitest";
import { type TestDatabase, testDatabase } from "../support/database.ts";

let base: TestDatabase;

beforeAll(async () => {
  base = await testDatabase();
});
afterAll(() => base[Symbol.asyncDispose]());

/**
 * Tables that are nobody's in particular: a few rows for the whole system, what is left to do after an erasure, or the figures of everybody, to
 * which a commit adds one row. Everything else is one user's.
 */
const unsharded = [
  "flywheel.apps",
  "flywheel.audit",
  "flywheel.doorbell",
  "flywheel.durations",
  "flywheel.pruning",
  "flywheel.replays",
  "flywheel.rollup_increments",
  "flywheel.rollups",
  "flywheel.settings",
  "flywheel.settings_changes",
  "flywheel.withdrawals",
  "flywheel.worker_slots",
];

interface Table {
  name: string;
  comment: string | null;
  secured: boolean;
}

const tables = () =>
  base.admin<Table[]>`
    select
      format('%I.%I', c.relnamespace::regnamespace, c.relname) as name,
      obj_description(c.oid, 'pg_class') as comment,
      c.relrowsecurity as secured
    from pg_class as c
    where c.relnamespace in ('public'::regnamespace, 'flywheel'::regnamespace) and c.relkind in ('r', 'p')
    order by 1
  `;

test("every table of the hot path leads its primary key and every unique constraint with user_id", async () => {
  const unique = await base.admin<
    { name: string; index: string; leads: string; primary: boolean }[]
  >`
    select
      format('%I.%I', c.relnamespace::regnamespace, c.relname) as name,
      i.indexrelid::regclass::text as index,
      pg_get_indexdef(i.indexrelid, 1, true) as leads,
      i.indisprimary as primary
    from pg_index as i
    join pg_class as c on c.oid = i.indrelid
    where c.relnamespace in ('public'::regnamespace, 'flywheel'::regnamespace)
      and (i.indisunique or i.indisexclusion)
  `;
  const wrong = unique.filter(({ name, leads }) =>
    !unsharded.includes(name) && leads !== "user_id"
  );
  expect(wrong).toEqual([]);
  const keyed = new Set(unique.filter(({ primary }) => primary).map(({ name }) => name));
  expect((await tables()).map(({ name }) => name).filter((name) => !keyed.has(name))).toEqual([]);
});

test("no table refers to another: an erasure may delete from them in any order, and no commit locks a second row", async () => {
  const foreign = await base.admin<{ name: string; definition: string }[]>`
    select k.conrelid::regclass::text as name, pg_get_constraintdef(k.oid) as definition
    from pg_constraint as k
    where k.contype = 'f'
      and k.connamespace in ('public'::regnamespace, 'flywheel'::regnamespace)
  `;
  expect(foreign).toEqual([]);
});

test("a function runs with its owner's rights only where others may call it, or where it is a trigger on what they may write", async () => {
  const needless = await base.admin<{ name: string }[]>`
    select p.oid::regprocedure::text as name
    from pg_proc as p
    where p.pronamespace in ('public'::regnamespace, 'flywheel'::regnamespace)
      and p.prosecdef
      and not exists (select from aclexplode(p.proacl) as a where a.grantee <> p.proowner)
  `;
  expect(needless.map(({ name }) => name).toSorted()).toEqual([
    "flywheel.remember_settings()",
    "flywheel.shorten_waits()",
  ]);
});

test("the list of tables without a user names none that is gone", async () => {
  const names = (await tables()).map(({ name }) => name);
  expect(unsharded.filter((name) => !names.includes(name))).toEqual([]);
});

test("every table is under row-level security", async () => {
  expect((await tables()).filter(({ secured }) => !secured)).toEqual([]);
});
