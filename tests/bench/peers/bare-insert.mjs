/** The bare multi-row insert: the same rows into the same columns, numbered by the client, with a primary key and nothing else. */
import pg from "pg";
import { createHash } from "node:crypto";
import { race, share, task } from "../harness/race.ts";
import { batches, newEvents, newUsers, warmUpOf } from "../harness/workload.ts";

const { url, events, users, batch, clients } = task();

function rowsOf(events, users) {
  const versions = new Map();
  return newEvents(events, newUsers(users)).map((event) => {
    const version = (versions.get(event.user_id) ?? 0) + 1;
    versions.set(event.user_id, version);
    return { ...event, version, hash: createHash("sha256").update(event.event_id).digest() };
  });
}

// An array a column: of the forms a multi-row insert can have, the fastest with this many rows.
const insert = `
  insert into bare.events (
    user_id, version, event_id, event_type, app_source, payload, "timestamp", received_at, event_hash
  )
  select *
  from unnest(
    $1::uuid[], $2::bigint[], $3::uuid[], $4::text[], $5::text[], $6::jsonb[], $7::timestamptz[], $8::timestamptz[], $9::bytea[]
  )
`;

const pool = new pg.Pool({ connectionString: url, max: clients });

async function insertAll(rows) {
  await share(batches(rows, batch), clients, (some) => {
    const now = new Date().toISOString();
    return pool.query({
      name: "insert",
      text: insert,
      values: [
        some.map((row) => row.user_id),
        some.map((row) => row.version),
        some.map((row) => row.event_id),
        some.map((row) => row.event_type),
        some.map((row) => row.app_source),
        some.map((row) => JSON.stringify(row.payload)),
        some.map((row) => row.timestamp),
        some.map(() => now),
        some.map((row) => row.hash),
      ],
    });
  });
  return { events: rows.length };
}

const rows = rowsOf(events, users);
const few = warmUpOf({ events, users, clients });
await insertAll(rowsOf(few.events, few.users));
await race(() => insertAll(rows));
await pool.end();
