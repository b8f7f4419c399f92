create function flywheel.write_increments(
  increments text,
  committed uuid[],
  counted bigint[],
  upto bigint[],
  late boolean[]
)
returns void
language plpgsql
set search_path = ''
as $$
begin
  if increments <> '[]' then
    insert into flywheel.rollup_increments (increments) values (write_increments.increments);
  end if;

  select array_agg(c.user_id), array_agg(c.counted), array_agg(c.upto)
  into committed, counted, upto
  from unnest(committed, counted, upto, late) as c (user_id, counted, upto, is_late)
  where (c.is_late or increments is null) and c.upto > c.counted;
  if committed is not null then
    perform flywheel.count_users(committed, counted, upto);
  end if;
end
$$;

comment on function flywheel.write_increments(text, uuid[], bigint[], bigint[], boolean[]) is
  'Writes what a commit adds to the rollups: the increments that the worker worked out and, for users whom these leave out, what the log says between what was counted of each before and what is counted now. increments: null where the worker has worked out none. late: whether they leave a user out, because events came in another order than they happened.';
