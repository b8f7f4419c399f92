create table flywheel.user_activity (
  user_id uuid primary key,
  cv_last_at timestamptz,
  cv_third_last_at timestamptz,
  letters_last_at timestamptz
)
with (fillfactor = 80);

alter table flywheel.user_activity enable row level security;

comment on table flywheel.user_activity is
  'When users last did something in CV and Letters, for public.phoenix_nudge_opportunities: what the rules between the two look at. Signing in, paying and giving feedback are none of it, nor is what the flywheel tells. flywheel.logged_activity() defines it.';
comment on column flywheel.user_activity.user_id is 'Whose activity.';
comment on column flywheel.user_activity.cv_last_at is 'The last one in CV.';
comment on column flywheel.user_activity.cv_third_last_at is 'The third last one in CV.';
comment on column flywheel.user_activity.letters_last_at is 'The last one in Letters.';
