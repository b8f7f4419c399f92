-- Nobody logs in as it: an administrator grants it to those who may.
do $$
begin
  if to_regrole('phoenix_analyst') is null then
    create role phoenix_analyst nologin;
  end if;
end
$$;

grant usage on schema public to phoenix_analyst;
