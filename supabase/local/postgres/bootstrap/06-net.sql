-- A stand-in for the extension pg_net: requests queue here and the stack's worker sends them once they are committed.
create schema if not exists net;
grant usage on schema net to postgres, anon, authenticated, service_role;
comment on schema net is 'asynchronous HTTP requests';

do $$
begin
  if to_regtype('net.http_method') is null then
    create domain net.http_method as text
      check (value ilike 'get' or value ilike 'post' or value ilike 'delete');
  end if;
end
$$;
comment on domain net.http_method is 'the methods that can be queued';

create unlogged table if not exists net.http_request_queue (
  id bigserial,
  method net.http_method not null,
  url text not null,
  headers jsonb,
  body bytea,
  timeout_milliseconds integer not null
);
comment on table net.http_request_queue is 'requests to send; unlogged, so a crash empties it';

create unlogged table if not exists net._http_response (
  id bigint,
  status_code integer,
  content_type text,
  headers jsonb,
  content text,
  timed_out boolean,
  error_msg text,
  created timestamptz not null default now()
);
create index if not exists _http_response_created_idx on net._http_response (created);
comment on table net._http_response is 'answers of the last six hours; unlogged, so a crash empties it';

grant all on all tables in schema net to public;
grant all on all sequences in schema net to public;

create or replace function net._urlencode_string(string varchar)
returns text
language sql
immutable
set search_path = ''
as $$
  select coalesce(
    string_agg(
      case
        when character ~ '[A-Za-z0-9_.~-]' then character
        else regexp_replace(upper(encode(convert_to(character, 'UTF8'), 'hex')), '(..)', '%\1', 'g')
      end,
      '' order by position
    ),
    ''
  )
  from regexp_split_to_table(string, '') with ordinality as parts (character, position)
$$;
comment on function net._urlencode_string(varchar) is 'percent-encodes a part of a URL';

create or replace function net.http_post(
  url text,
  body jsonb default '{}',
  params jsonb default '{}',
  headers jsonb default '{"Content-Type": "application/json"}',
  timeout_milliseconds integer default 5000
)
returns bigint
language plpgsql
volatile
set search_path = ''
as $$
declare
  content_type text;
  query text;
  request_id bigint;
begin
  select value into content_type
  from jsonb_each_text(coalesce(http_post.headers, '{}'))
  where lower(key) = 'content-type';

  if content_type is null then
    http_post.headers := coalesce(http_post.headers, '{}') || '{"Content-Type": "application/json"}';
  elsif content_type <> 'application/json' then
    raise exception 'Content-Type header must be "application/json"';
  end if;

  select string_agg(net._urlencode_string(key) || '=' || net._urlencode_string(value), '&')
  into query
  from jsonb_each_text(coalesce(http_post.params, '{}'));

  insert into net.http_request_queue (method, url, headers, body, timeout_milliseconds)
  values (
    'POST',
    http_post.url
      || case when query is null then '' when http_post.url like '%?%' then '&' else '?' end
      || coalesce(query, ''),
    http_post.headers,
    convert_to(http_post.body::text, 'UTF8'),
    http_post.timeout_milliseconds
  )
  returning id into request_id;

  perform pg_notify('net_http_request_queue', '');
  return request_id;
end
$$;
comment on function net.http_post(text, jsonb, jsonb, jsonb, integer)
  is 'queues a POST of JSON, sent once the transaction has committed';
