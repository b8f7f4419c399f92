/**
 * Sends what `net.http_post()` has queued, as pg_net's background worker does: a batch is deleted from the queue as it is
 * picked up, each request is sent once and never again, and what came back stands in `net._http_response` for six hours.
 *
 * Environment: `DB_URL`, as the superuser.
 */
import { z } from "zod";
import { connect } from "../postgres/connect.ts";
import { send } from "./send.ts";

const BATCH = 200;
const POLL_MS = 1_000;
const CLEAN_UP_MS = 60_000;

const { DB_URL } = z.object({ DB_URL: z.string().min(1) }).parse(Deno.env.toObject());

const sql = connect(DB_URL, { max: 4, name: "phoenix-net" });

interface QueuedRequest {
  id: string;
  method: string;
  url: string;
  headers: Record<string, string> | null;
  body: Uint8Array<ArrayBuffer> | null;
  timeout_milliseconds: number;
}

let ring: () => void = () => {};

/** Sleeps until somebody queues a request, a second at most: a NOTIFY may be lost while the database restarts. */
async function nextRing(): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, POLL_MS);
    ring = () => {
      clearTimeout(timer);
      resolve();
    };
  });
}

async function takeBatch(): Promise<QueuedRequest[]> {
  return await sql<QueuedRequest[]>`
    delete from net.http_request_queue
    where id in (select id from net.http_request_queue order by id limit ${BATCH} for update skip locked)
    returning id, method, url, headers, body, timeout_milliseconds`;
}

async function deliver(request: QueuedRequest): Promise<void> {
  const answer = await send({
    method: request.method.toUpperCase(),
    url: request.url,
    headers: request.headers ?? {},
    body: request.body,
    timeoutMs: request.timeout_milliseconds,
  });
  if (answer.error) console.error(`request ${request.id} to ${request.url}: ${answer.error}`);
  await sql`
    insert into net._http_response (id, status_code, content_type, headers, content, timed_out, error_msg)
    values (
      ${request.id}, ${answer.status}, ${answer.contentType}, ${
    answer.headers && sql.json(answer.headers)
  },
      ${answer.content}, ${answer.timedOut}, ${answer.error}
    )`;
}

async function cleanUp(): Promise<void> {
  await sql`delete from net._http_response where created < now() - interval '6 hours'`;
}

async function run(): Promise<never> {
  let listening = false;
  let cleanAt = 0;
  let rung = false;
  while (true) {
    try {
      if (!listening) {
        // postgres.js listens again by itself when its connection has broken.
        await sql.listen("net_http_request_queue", () => {
          rung = true;
          ring();
        });
        listening = true;
      }
      rung = false;
      const batch = await takeBatch();
      for (const request of batch) {
        deliver(request).catch((error) =>
          console.error(`answer of request ${request.id} lost: ${error}`)
        );
      }
      if (Date.now() > cleanAt) {
        cleanAt = Date.now() + CLEAN_UP_MS;
        await cleanUp();
      }
      if (batch.length === BATCH || rung) continue;
    } catch (error) {
      console.error(
        `the database does not answer: ${error instanceof Error ? error.message : error}`,
      );
    }
    await nextRing();
  }
}

await run();
