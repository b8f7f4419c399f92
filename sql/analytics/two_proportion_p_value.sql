create function flywheel.two_proportion_p_value(
  successes bigint,
  trials bigint,
  control_successes bigint,
  control_trials bigint
)
returns double precision
language sql
immutable
parallel safe
set search_path = ''
as $$
  -- Two-sided: 2 (1 - Φ(|z|)) = erfc(|z| / √2).
  select erfc(abs(t.difference) / nullif(sqrt(t.variance), 0) / sqrt(2))
  from (
    select
      p.rate - p.control_rate as difference,
      p.pooled * (1 - p.pooled) * (1.0 / nullif(trials, 0) + 1.0 / nullif(control_trials, 0)) as variance
    from (
      select
        successes::double precision / nullif(trials, 0) as rate,
        control_successes::double precision / nullif(control_trials, 0) as control_rate,
        (successes + control_successes)::double precision / nullif(trials + control_trials, 0) as pooled
    ) as p
  ) as t
$$;

comment on function flywheel.two_proportion_p_value(bigint, bigint, bigint, bigint) is
  'How likely two samples differ at least this much though both have one proportion: the two-sided two-proportion z-test with the pooled proportion, z = (p1 - p2) / sqrt(p (1 - p) (1/n1 + 1/n2)). Source: Penn State, STAT 415, lesson 9.4, online.stat.psu.edu/stat415/lesson/9/9.4. Null where a sample is empty or nothing varies. It rests on the normal approximation: read nothing into it below five successes and five failures a sample.';
