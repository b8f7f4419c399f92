create function flywheel.ring(regardless boolean default false)
returns boolean
language plpgsql
security definer
set search_path = ''
-- Otherwise the update would be planned anew each time, for its argument.
set plan_cache_mode = 'force_generic_plan'
as $$
declare
  url text;
  secret text;
  body jsonb;
  sent_at text;
  quiet_until numeric;
begin
  -- Most rings come too soon after another: they look, and neither lock nor write. The session remembers until when.
  select extract(epoch from d.rung_at + s.ring_interval) into quiet_until
  from flywheel.doorbell as d, flywheel.settings as s
  -- A ring later than now is from before the clock was set back, and does not count.
  where d.rung_at <= clock_timestamp();
  if quiet_until > extract(epoch from clock_timestamp()) and not regardless then
    perform set_config('flywheel.quiet_until', quiet_until::text, false);
    return false;
  end if;

  -- If somebody else is ringing, the ring is left to them: nobody waits. The row alone would not do: where a newer version of it is
  -- locked, Postgres waits for that in spite of "skip locked".
  if not pg_try_advisory_xact_lock(hashtextextended('flywheel.ring', 0)) then
    return false;
  end if;
  update flywheel.doorbell as d
  set rung_at = clock_timestamp(), latest_at = greatest(d.latest_at, clock_timestamp())
  from (
    select b.only_row
    from flywheel.doorbell as b, flywheel.settings as s
    where regardless or b.rung_at <= clock_timestamp() - s.ring_interval or b.rung_at > clock_timestamp()
    for no key update of b skip locked
  ) as due
  where d.only_row = due.only_row;

  if not found or to_regproc('net.http_post') is null then
    return false;
  end if;

  begin
    select
      max(s.decrypted_secret) filter (where s.name = 'phoenix_doorbell_url'),
      max(s.decrypted_secret) filter (where s.name = 'phoenix_doorbell_secret')
    into url, secret
    from vault.decrypted_secrets as s
    where s.name in ('phoenix_doorbell_url', 'phoenix_doorbell_secret');

    if url is null or secret is null then
      return false;
    end if;

    sent_at := extract(epoch from clock_timestamp())::bigint::text;
    body := jsonb_build_object('ring_id', gen_random_uuid());
    perform net.http_post(
      url => url,
      body => body,
      headers => jsonb_build_object(
        'content-type', 'application/json',
        'x-phoenix-signature', format(
          't=%s,v1=%s',
          sent_at,
          encode(extensions.hmac(sent_at || '.' || body::text, secret, 'sha256'), 'hex')
        )
      ),
      timeout_milliseconds => 5000
    );
    return true;
  exception
    -- The doorbell is not the mail: no publication fails because nobody could be rung. The sweep comes anyway.
    when others then
      raise warning 'The doorbell did not ring: %', sqlerrm;
      return false;
  end;
end
$$;

comment on function flywheel.ring(boolean) is
  'Tells process-queue that there is work: an HTTP call by pg_net to the address in Vault (phoenix_doorbell_url), signed in x-phoenix-signature as t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body" with phoenix_doorbell_secret>. At most once in settings.ring_interval, unless it is to ring regardless of that. The call is sent when the caller''s transaction is committed; until that ends, other rings are left to it. Returns whether it rang.';
