import type postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestDatabase, testDatabase } from "../support/database.ts";

let base: TestDatabase;

beforeAll(async () => {
  base = await testDatabase();
});
afterAll(() => base[Symbol.asyncDispose]());

async function pValue(...counts: [number, number, number, number]): Promise<number | null> {
  const [row] = await base.admin<{ p: number | null }[]>`
    select flywheel.two_proportion_p_value(${counts[0]}, ${counts[1]}, ${counts[2]}, ${
    counts[3]
  }) as p`;
  return row!.p;
}

describe("the p-value of two proportions", () => {
  test.each<[source: string, counts: [number, number, number, number], p: number, digits: number]>([
    // statsmodels, documentation of proportions_ztest: "0.159".
    ["statsmodels", [5, 83, 12, 99], 0.159, 3],
    // OpenIntro Statistics, 4th edition, 6.2.3, deaths with and without mammograms: z = -0.17, 0.8650 with z rounded.
    ["OpenIntro", [500, 44_925, 505, 44_910], 0.865, 2],
    // Penn State, STAT 415, lesson 9.4, a tax on cigarettes: z = 8.99, or 8.9859.
    ["Penn State", [351, 605, 41, 195], 2.57e-19, 20],
  ])("is the one that %s works out", async (_, counts, p, digits) => {
    expect(await pValue(...counts)).toBeCloseTo(p, digits);
  });

  test("is the normal tail to twelve digits: R's prop.test(c(30, 20), c(100, 100), correct = FALSE)", async () => {
    // z² = 2.6666…, whose upper tail of χ² with one degree of freedom is erfc(√(4/3)).
    expect(await pValue(30, 100, 20, 100)).toBeCloseTo(0.102470434859, 11);
  });

  test("does not care which sample is which, and is 1 for equal proportions", async () => {
    expect(await pValue(5, 83, 12, 99)).toBe(await pValue(12, 99, 5, 83));
    expect(await pValue(10, 100, 20, 200)).toBe(1);
  });

  test.each<[number, number, number, number]>([
    [0, 0, 5, 10],
    [5, 10, 0, 0],
    [0, 10, 0, 20],
    [10, 10, 20, 20],
  ])("is unknown for %i of %i and %i of %i", async (...counts) => {
    expect(await pValue(...counts)).toBeNull();
  });
});

describe("phoenix_nudge_experiments", () => {
  const user = crypto.randomUUID();

  /** Nudges of an arm, of which some were shown, clicked and converted. */
  async function given(
    sql: postgres.Sql | postgres.TransactionSql,
    nudge_type: string,
    variant: string,
    [sent, shown, clicked, converted]: [number, number, number, number],
    owner: string = crypto.randomUUID(),
  ) {
    await sql`
      insert into public.phoenix_nudges_sent (
        user_id, nudge_id, nudge_type, app_source, target_app, variant, title, message, cta_label, cta_url, expires_at,
        shown_at, clicked_at, converted_at
      )
      select
        ${owner}, gen_random_uuid(), ${nudge_type}, 'letters', 'cv', ${variant}, 'Titre', 'Message', 'Ouvrir',
        'https://example.com', now() + interval '1 day',
        case when n <= ${shown} then now() end,
        case when n <= ${clicked} then now() end,
        case when n <= ${converted} then now() end
      from generate_series(1, ${sent}::int) as n`;
  }

  beforeAll(async () => {
    await given(base.admin, "letters_to_cv", "a", [99, 80, 40, 12], user);
    await given(base.admin, "letters_to_cv", "b", [50, 0, 0, 0]);
    await given(base.admin, "letters_to_cv", "holdout", [83, 0, 0, 5]);
    await given(base.admin, "cv_to_letters", "a", [10, 5, 2, 1]);
  });

  const rows = (sql: postgres.Sql | postgres.TransactionSql) =>
    sql<Record<string, unknown>[]>`
      select
        nudge_type, variant, sent::int, shown::int, clicked::int, converted::int, conversion_rate, uplift_vs_holdout, p_value
      from public.phoenix_nudge_experiments
      order by nudge_type, variant`;

  test("shows each arm beside the holdout of its type", async () => {
    const [lone, a, b, held] = await rows(base.admin);
    expect(a).toEqual({
      nudge_type: "letters_to_cv",
      variant: "a",
      sent: 99,
      shown: 80,
      clicked: 40,
      converted: 12,
      conversion_rate: 12 / 99,
      uplift_vs_holdout: expect.closeTo(12 / 99 - 5 / 83, 12),
      p_value: expect.closeTo(0.159, 3),
    });
    expect(b).toMatchObject({ variant: "b", conversion_rate: 0 });
    expect(b!.uplift_vs_holdout).toBeCloseTo(-5 / 83, 12);
    expect(held).toMatchObject({
      variant: "holdout",
      sent: 83,
      shown: 0,
      converted: 5,
      conversion_rate: 5 / 83,
      uplift_vs_holdout: null,
      p_value: null,
    });
    expect(lone).toMatchObject({
      nudge_type: "cv_to_letters",
      uplift_vs_holdout: null,
      p_value: null,
    });
  });

  test("of a period count the nudges sent in its UTC days, in whatever time zone it is asked for", async () => {
    const rolledBack = new Error("rolled back");
    await base.admin.begin(async (sql) => {
      await sql`delete from public.phoenix_nudges_sent`;
      const midnight = (await sql`
        select date_trunc('day', now() at time zone 'UTC') at time zone 'UTC' as at
      `)[0]!.at as Date;
      for (
        const [variant, days] of [["today", 0], ["b", 1], ["a", 2], ["long ago", 400]] as const
      ) {
        await given(sql, "letters_to_cv", variant, [1, 0, 0, 0]);
        await given(sql, "cv_to_letters", variant, [1, 0, 0, 0]);
        const at = new Date(midnight.getTime() - days * 86_400_000);
        await sql`update public.phoenix_nudges_sent set sent_at = ${at} where variant = ${variant}`;
      }
      for (const zone of ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"]) {
        await sql`select set_config('timezone', ${zone}, true)`;
        for (const [days, variants] of [[1, ["today"]], [3, ["a", "b", "today"]]] as const) {
          const arms = await sql`
            select nudge_type || ' ' || variant as arm from public.get_phoenix_nudge_experiments(${days})
          `;
          // By type and wording.
          expect(arms.map(({ arm }) => arm)).toEqual(
            ["cv_to_letters", "letters_to_cv"].flatMap((type) =>
              variants.map((each) => `${type} ${each}`)
            ),
          );
        }
      }
      throw rolledBack;
    }).catch((error: unknown) => {
      if (error !== rolledBack) throw error;
    });
  });

  test("shows users what is theirs and not held out, and anonymous callers nothing", async () => {
    const as = (role: string) =>
      base.admin.begin(async (sql) => {
        const claims = JSON.stringify({ sub: user, role });
        await sql`select set_config('role', ${role}, true), set_config('request.jwt.claims', ${claims}, true)`;
        return await rows(sql);
      });
    expect(await as("authenticated")).toMatchObject([
      { nudge_type: "letters_to_cv", variant: "a", sent: 99 },
    ]);
    expect(await as("service_role")).toHaveLength(4);
    await expect(as("anon")).rejects.toMatchObject({ code: "42501" });
  });
});
