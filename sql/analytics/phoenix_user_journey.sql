create view public.phoenix_user_journey
with (security_invoker = true)
as
select
  e.user_id,
  e.event_type,
  e.app_source,
  e."timestamp",
  lag(e.app_source) over journey as previous_app,
  lead(e.app_source) over journey as next_app,
  e."timestamp" - lag(e."timestamp") over journey as time_since_last_event
from public.phoenix_events as e
where e.app_source <> 'flywheel'
window journey as (partition by e.user_id order by e."timestamp", e.version);

comment on view public.phoenix_user_journey is
  'What each user did, event by event in the order in which it happened, with the app before and the app after. What the flywheel tells itself, such as nudge.cancelled, is left out. Ask for one user (where user_id = …): all of them is the whole log.';
comment on column public.phoenix_user_journey.user_id is 'Who.';
comment on column public.phoenix_user_journey.event_type is 'What happened.';
comment on column public.phoenix_user_journey.app_source is 'In which app.';
comment on column public.phoenix_user_journey."timestamp" is 'When it happened; of two events at the same instant the one that was received first comes first.';
comment on column public.phoenix_user_journey.previous_app is 'The app of the user''s event before; null for the first.';
comment on column public.phoenix_user_journey.next_app is 'The app of the user''s event after; null for the last.';
comment on column public.phoenix_user_journey.time_since_last_event is 'The time since the user''s event before, of any app; null for the first.';
