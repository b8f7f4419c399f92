import type postgres from "postgres";
import type { Database } from "../platform/database.ts";

/** How much of a list an instance of a function holds at once: so many bytes, and the row that goes beyond them. */
const pageBytes = 4 * 1_048_576;

/** A piece of a query. */
type Fragment = postgres.PendingQuery<postgres.Row[]>;

/**
 * The first rows of a list, up to a limit and no more than an instance has room for: what users write may be a thousand times as
 * large as it usually is. The query that reads them repeats the order.
 *
 * @param list.bytes how large a row is, of its columns
 * @param list.order columns that no two rows have in common
 * @returns a query of these rows, each with `has_more`: whether another one follows
 */
export function pageOf(
  sql: Database,
  { rows, bytes, order, limit }: {
    rows: Fragment;
    bytes: Fragment;
    order: Fragment;
    limit: number;
  },
): Fragment {
  return sql`
    select *
    from (
      select
        r.*,
        lead(true, 1, false) over listed as has_more,
        sum(${bytes}) over (listed rows between unbounded preceding and 1 preceding) as bytes_before
      from (${rows} order by ${order} limit ${limit + 1}) as r
      window listed as (order by ${order})
    ) as m
    where coalesce(m.bytes_before, 0) < ${pageBytes}
    order by ${order}
    limit ${limit}
  `;
}
