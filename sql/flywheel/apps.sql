create table flywheel.apps (
  app text primary key check (app ~ '^[a-z][a-z0-9]*([_-][a-z0-9]+)*$' and length(app) <= 50),
  -- No user:password@ before the host.
  delivery_url text check (delivery_url ~ '^https?://[^\s/?#\\@]+([/?#][^\s]*)?$'),
  configuration integer not null default 0
);

alter table flywheel.apps enable row level security;

comment on table flywheel.apps is
  'Where the apps want to be told of transitions; flywheel.configure_app() writes it. An app that is not here, or has no address, polls.';
comment on column flywheel.apps.app is 'The app, without the phoenix_ prefix.';
comment on column flywheel.apps.delivery_url is 'The address that deliveries are posted to, or null.';
comment on column flywheel.apps.configuration is 'How often it was configured anew.';
