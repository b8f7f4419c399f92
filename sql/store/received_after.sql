create function flywheel.received_after(reached_at timestamptz)
returns timestamptz
language plpgsql
set search_path = ''
as $$
declare
  moment timestamptz := clock_timestamp();
begin
  return greatest(
    moment,
    (
      select case
        -- A whole millisecond, since a fold reads no less: what is later is later there, too.
        when received_after.reached_at <= moment + s.future_tolerance then received_after.reached_at + interval '1 millisecond'
      end
      from flywheel.settings as s
    )
  );
end
$$;

comment on function flywheel.received_after(timestamptz) is
  'When something is received by a stream that has reached that time already, since the clock was set back: a moment later, unless it was set back by more than settings.future_tolerance; then the clock counts anew. Whoever appends calls it only where the clock is not beyond reached_at.';
