create function flywheel.delivery_secret(app text)
returns text
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select v.decrypted_secret
    from vault.decrypted_secrets as v
    where v.name = 'phoenix_delivery_secret_' || delivery_secret.app
  );
exception
  -- Encrypted with another project's key, as after a restore, or damaged: one app's secret must not hold up the others'.
  when others then
    return null;
end
$$;

comment on function flywheel.delivery_secret(text) is
  'What signs deliveries to an app, from Vault. Null where there is none, or none that can be decrypted.';
