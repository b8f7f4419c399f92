create function flywheel.is_held_out(user_id uuid, nudge_type text, since timestamptz)
returns boolean
language sql
stable
security definer
set search_path = ''
as $$
  select exists (
    select
    from public.phoenix_nudges_sent as n
    where n.user_id = is_held_out.user_id
      and n.nudge_type = is_held_out.nudge_type
      and n.sent_at > is_held_out.since
      and n.held_out
  )
$$;

comment on function flywheel.is_held_out(uuid, text, timestamptz) is
  'Whether a nudge of that type was decided on since and is held out, which row-level security does not let its user see.';
