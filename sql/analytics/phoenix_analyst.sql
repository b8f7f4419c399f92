-- Nobody logs in as it: an administrator grants it to those who may.
do $$
begin
  if to_regrole('phoenix_analyst') is null then
    create role phoenix_analyst nologin;
  end if;
end
$$;

grant usage on schema public to phoenix_analyst;

-- The maker of a role may grant it to others, but not assume it, and so could not read with an analyst's rights.
grant phoenix_analyst to current_user with inherit false, set true;
