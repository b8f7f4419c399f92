create function flywheel.sum_of(numbers integer[])
returns bigint
language sql
immutable
parallel safe
set search_path = ''
return (select coalesce(sum(n.number), 0)::bigint from unnest(numbers) as n (number));

comment on function flywheel.sum_of(integer[]) is 'What the numbers of an array add up to.';
