import { afterAll, beforeAll, expect, test } from "vitest";
import {
  listTransitions,
  requestTransition,
  type Transition,
  transitionRequest,
  transitionsQuery,
} from "../../shared/flywheel/transitions.ts";
import type { Database } from "../../shared/platform/database.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";

let base: TestDatabase;
let database: Database;

beforeAll(async () => {
  base = await testDatabase();
  database = base.connect();
});
afterAll(() => base[Symbol.asyncDispose]());

/** Asks for a transition of a new user. */
function ask(request: object): Promise<Transition> {
  return requestTransition(database, crypto.randomUUID(), transitionRequest.parse(request));
}

test("transitions of the same time are listed page by page, each once", async () => {
  const asked = await Promise.all(
    Array.from({ length: 5 }, () => ask({ target_app: "website" })),
  );
  await base.admin`
    update public.phoenix_transitions set requested_at = '2026-01-01' where target_app = 'website'
  `;
  const found: string[] = [];
  let before: string | null | undefined;
  do {
    const query = transitionsQuery.parse({ target_app: "website", limit: 2, before });
    const page = await listTransitions(database, undefined, query);
    found.push(...page.transitions.map(({ transition_id }) => transition_id));
    before = page.next;
  } while (before !== null);
  expect(found.sort()).toEqual(asked.map(({ transition_id }) => transition_id).sort());
});

test("pages go on where one ended, whoever is erased meanwhile", async () => {
  const asked: Transition[] = [];
  for (let n = 0; n < 6; n++) {
    asked.push(await ask({ source_app: "cv", target_app: "aube" }));
  }
  // Less than a millisecond between two.
  await base.admin`
    update public.phoenix_transitions as t
    set requested_at = '2026-01-02T10:00:00Z'::timestamptz + n * interval '1 microsecond'
    from unnest(${
    asked.map(({ transition_id }) => transition_id)
  }::uuid[]) with ordinality as a (id, n)
    where t.transition_id = a.id
  `;
  const newestFirst = asked.map(({ transition_id }) => transition_id).reverse();
  const page = (limit: number, before?: string | null) =>
    listTransitions(
      database,
      undefined,
      transitionsQuery.parse({ target_app: "aube", limit, before: before ?? undefined }),
    );
  const idsOf = ({ transitions }: Awaited<ReturnType<typeof page>>) =>
    transitions.map(({ transition_id }) => transition_id);

  const first = await page(2);
  expect(idsOf(first)).toEqual(newestFirst.slice(0, 2));
  await base.admin`select flywheel.erase_user(${String(first.transitions[1]!.user_id)}, 'a test')`;
  const second = await page(2, first.next);
  expect(idsOf(second)).toEqual(newestFirst.slice(2, 4));
  const third = await page(2, second.next);
  expect(idsOf(third)).toEqual(newestFirst.slice(4));
  expect(third.next).toBeNull();
});

test("a page of transitions ends before it is more than an instance has room for", async () => {
  const user_id = crypto.randomUUID();
  await base.admin`
    insert into public.phoenix_transitions (
      user_id, transition_id, source_app, target_app, context, status, requested_at, expires_at
    )
    select
      ${user_id}, gen_random_uuid(), 'aube', 'cv', jsonb_build_object('n', n, 'text', repeat('x', 900000)), 'rejected',
      now() - n * interval '1 hour', now()
    from generate_series(1, 12) as n
  `;
  const pages: unknown[][] = [];
  let before: string | null | undefined;
  do {
    const page = await listTransitions(database, user_id, transitionsQuery.parse({ before }));
    pages.push(page.transitions.map(({ context }) => (context as { n: number }).n));
    before = page.next;
  } while (before !== null);
  expect(pages).toEqual([[1, 2, 3, 4, 5], [6, 7, 8, 9, 10], [11, 12]]);
});
