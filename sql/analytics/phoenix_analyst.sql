do $$
begin
  if to_regrole('phoenix_analyst') is null then
    create role phoenix_analyst nologin;
  end if;
end
$$;
