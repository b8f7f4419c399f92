create function flywheel.configure_app(app text, delivery_url text, secret text default null)
returns text
language plpgsql
security definer
set search_path = ''
as $$
declare
  secret_name text;
  kept uuid;
  signing_secret text;
  violated text;
  owners uuid[];
begin
  app := regexp_replace(app, '^phoenix_', '');
  secret_name := 'phoenix_delivery_secret_' || app;
  if length(secret) < 32 then
    raise exception using
      errcode = 'PT400', message = 'A secret has at least 32 characters.', detail = 'weak_secret';
  end if;

  begin
    insert into flywheel.apps as a (app, delivery_url)
    values (configure_app.app, configure_app.delivery_url)
    on conflict on constraint apps_pkey do update
    set delivery_url = excluded.delivery_url, configuration = a.configuration + 1;
  exception
    when check_violation or not_null_violation then
      get stacked diagnostics violated = constraint_name;
      if violated = 'apps_delivery_url_check' then
        raise exception using
          errcode = 'PT400',
          message = 'An address begins with http:// or https:// and holds neither spaces nor user:password@.',
          detail = 'invalid_delivery_url';
      end if;
      raise exception using
        errcode = 'PT400',
        message = 'An app is a slug: lower-case letters and digits, parts joined by - or _, 50 characters at most.',
        detail = 'invalid_app';
  end;

  select v.id into kept from vault.secrets as v where v.name = secret_name;
  signing_secret := coalesce(secret, flywheel.delivery_secret(app), encode(extensions.gen_random_bytes(32), 'hex'));
  if kept is null then
    perform vault.create_secret(signing_secret, secret_name, 'signs deliveries to ' || app);
  else
    perform vault.update_secret(kept, signing_secret);
  end if;

  -- The streams first, as everywhere: what waits for them sees which transitions have been answered or given up, and none is while it
  -- looks.
  select array_agg(s.user_id)
  into owners
  from (
    select l.user_id
    from flywheel.streams as l
    where configure_app.delivery_url is not null
      and l.user_id in (
        select d.user_id
        from flywheel.deliveries as d
        where d.app = configure_app.app and d.failed_at is not null and flywheel.tell_again_at(d) is not null
      )
    order by l.user_id
    for no key update
  ) as s;

  -- What failed, perhaps for the address, or for want of one, or for the secret, is tried again as long as somebody waits for it.
  with waited_for as (
    select d.user_id, d.delivery_id, again.at
    from flywheel.deliveries as d
    cross join lateral flywheel.tell_again_at(d) as again (at)
    where d.app = configure_app.app
      and d.user_id = any (owners)
      and d.failed_at is not null
      and again.at is not null
    -- As an erasure has them.
    order by d.user_id, d.delivery_id
    for update of d
  )
  update flywheel.deliveries as d
  set
    available_at = w.at,
    -- What is heard late of an earlier attempt, from QStash or from its deliverer, says nothing about the next one.
    configuration = null,
    published_at = null,
    failed_at = null,
    failure = null
  from waited_for as w
  where d.user_id = w.user_id and d.delivery_id = w.delivery_id;
  return signing_secret;
end
$$;

comment on function flywheel.configure_app(text, text, text) is
  'Says where an app (with or without phoenix_) wants its deliveries posted (null: it polls), in force from the next one on; where there is one, those that failed are tried again, and so are those that were handed over before and fail later; notifications only where QStash refused them. Returns the secret that signs them, for the app''s developer: the one given, or the one kept in Vault as phoenix_delivery_secret_<app>, or a new one where there is none that can be read. Raises PT400 weak_secret, invalid_app or invalid_delivery_url.';
