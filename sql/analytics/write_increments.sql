create function flywheel.write_increments(
  increments text,
  folded integer,
  committed uuid[],
  counted bigint[],
  upto bigint[],
  late boolean[]
)
returns void
language plpgsql
set search_path = ''
as $$
declare
  -- The increments are sums over everybody who was folded. Where somebody was refused they do not hold.
  holds boolean := increments is not null and cardinality(committed) = folded;
begin
  if holds and increments <> '[]' then
    insert into flywheel.rollup_increments (increments) values (write_increments.increments);
  end if;

  select array_agg(c.user_id), array_agg(c.counted), array_agg(c.upto)
  into committed, counted, upto
  from unnest(committed, counted, upto, late) as c (user_id, counted, upto, is_late)
  where (c.is_late or not holds) and c.upto > c.counted;
  if committed is not null then
    perform flywheel.count_users(committed, counted, upto);
  end if;
end
$$;

comment on function flywheel.write_increments(text, integer, uuid[], bigint[], bigint[], boolean[]) is
  'Writes what a commit adds to the rollups: the increments that the worker worked out, or, where those do not hold, what the log says of the users between what was counted of each and what is counted now. increments: null where the worker has worked out none. folded: how many users they are of. late: of whom they hold nothing, because events came in another order than they happened.';
