create function flywheel.nudge_experiments(since timestamptz)
returns table (
  nudge_type text,
  variant text,
  sent bigint,
  shown bigint,
  clicked bigint,
  converted bigint,
  conversion_rate double precision,
  uplift_vs_holdout double precision,
  p_value double precision
)
language sql
stable
set search_path = ''
-- Names are bound when it is made, so that callers without usage of schema flywheel can run it all the same.
begin atomic
  with arm as (
    select
      n.nudge_type,
      n.variant,
      count(*) as sent,
      count(n.shown_at) as shown,
      count(n.clicked_at) as clicked,
      count(n.converted_at) as converted
    from public.phoenix_nudges_sent as n
    where n.sent_at >= since
    group by n.nudge_type, n.variant
  )
  select
    a.nudge_type,
    a.variant,
    a.sent,
    a.shown,
    a.clicked,
    a.converted,
    a.converted::double precision / a.sent,
    a.converted::double precision / a.sent - h.converted::double precision / h.sent,
    flywheel.two_proportion_p_value(a.converted, a.sent, h.converted, h.sent)
  from arm as a
  left join arm as h
    on h.nudge_type = a.nudge_type and h.variant = 'holdout' and a.variant <> 'holdout'
  order by a.nudge_type, a.variant;
end;

comment on function flywheel.nudge_experiments(timestamptz) is
  'What each wording of each nudge brings, of the nudges sent since a time: public.phoenix_nudge_experiments says what its columns mean. A caller sees the rows that their own rights allow.';
