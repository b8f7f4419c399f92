import { Hono } from "hono";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { createDeliverer } from "../../shared/flywheel/deliver.ts";
import { hearFailure } from "../../shared/flywheel/delivery-outcome.ts";
import { requestTransition, transitionRequest } from "../../shared/flywheel/transitions.ts";
import type { Database } from "../../shared/platform/database.ts";
import { readEnv } from "../../shared/platform/env.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";

let base: TestDatabase;
let database: Database;
let qstash: Qstash;

beforeAll(async () => {
  base = await testDatabase();
  database = base.connect();
  qstash = startQstash();
  await base.admin`
    update flywheel.settings
    set
      delivery_retries = 5,
      delivery_retry_delay = '123',
      delivery_timeout = '45 seconds',
      delivery_parallelism = 7
  `;
});
afterAll(async () => {
  await qstash.stop();
  await base[Symbol.asyncDispose]();
});

beforeEach(async () => {
  await base.admin`update flywheel.deliveries set available_at = null`;
  qstash.statuses.clear();
  qstash.messages.clear();
  qstash.list = () => Promise.resolve();
});

interface Qstash {
  url: string;
  /** Queues that are there, and how many messages each delivers at a time. */
  queues: Map<string, number>;
  /** The headers of each message, by its queue. */
  messages: Map<string, Headers>;
  /** What its list of queues waits for. */
  list(): Promise<void>;
  /** How messages for a queue are answered, where that is not with 200. */
  statuses: Map<string, 400 | 413 | 422 | 500>;
  /** What QStash was asked to delete: the path and the delivery's id. */
  forgotten: string[];
  stop(): Promise<void>;
}

/** QStash's queues on loopback, to see what is asked of them. */
function startQstash(): Qstash {
  const queues: Qstash["queues"] = new Map();
  const messages: Qstash["messages"] = new Map();
  const statuses: Qstash["statuses"] = new Map();
  const app = new Hono().basePath("/v2");
  app.get(
    "/queues",
    async (context) => {
      await qstash.list();
      return context.json(
        [...queues].map(([name, parallelism]) => ({ name, parallelism, lag: 0 })),
      );
    },
  );
  app.post("/queues", async (context) => {
    const { queueName, parallelism } = await context.req.json();
    queues.set(queueName, parallelism);
    return context.json({});
  });
  app.post("/enqueue/:name/:destination{.+}", (context) => {
    const name = context.req.param("name");
    messages.set(name, context.req.raw.headers);
    return context.json({ messageId: name }, statuses.get(name) ?? 200);
  });
  const forgotten: Qstash["forgotten"] = [];
  app.on("DELETE", ["/messages", "/dlq"], (context) => {
    forgotten.push(`${context.req.path} ${context.req.query("label")}`);
    return context.json({ cancelled: 0, deleted: 0 });
  });
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, app.fetch);
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    queues,
    messages,
    list: () => Promise.resolve(),
    statuses,
    forgotten,
    stop: () => server.shutdown(),
  };
}

/** Tells an app of a transition: returns what became of its delivery. */
async function deliverTo(target_app: string) {
  await configure(target_app);
  const user_id = await ask(target_app);
  await deliver();
  return await deliveryOf(user_id);
}

const configure = (app: string) =>
  base.admin`select flywheel.configure_app(${app}, 'http://127.0.0.1:9/')`;

/** Asks for a transition of a new user: returns the user's id. */
async function ask(target_app: string): Promise<string> {
  const user_id = crypto.randomUUID();
  await requestTransition(database, user_id, transitionRequest.parse({ target_app }));
  return user_id;
}

async function deliver(budgetMs?: number): Promise<void> {
  const env = readEnv({
    SUPABASE_URL: "http://127.0.0.1:9",
    SUPABASE_DB_URL: base.url,
    QSTASH_URL: qstash.url,
    QSTASH_TOKEN: "a token",
  });
  await createDeliverer({ database, env }, budgetMs)(() => {});
}

async function deliveryOf(user_id: string) {
  const [row] = await base.admin`
    select delivery_id, published_at, failed_at from flywheel.deliveries where user_id = ${user_id}
  `;
  return row!;
}

test("a delivery goes to QStash as the settings say, and QStash's console does not show it", async () => {
  using printed = vi.spyOn(console, "error");
  const { delivery_id, published_at, failed_at } = await deliverTo("cv");
  expect(published_at).not.toBeNull();
  expect(failed_at).toBeNull();
  expect(Object.fromEntries(qstash.messages.get("phoenix_cv_transitions")!)).toMatchObject({
    "upstash-deduplication-id": delivery_id,
    "upstash-redact-fields": "body",
    "upstash-retries": "5",
    "upstash-retry-delay": "123",
    "upstash-timeout": "45s",
    "upstash-callback-retry-delay": "123",
    "upstash-failure-callback-retry-delay": "123",
  });
  expect(qstash.queues.get("phoenix_cv_transitions")).toBe(7);
  expect(printed, "the client prints what fails").not.toHaveBeenCalled();
});

test("a queue that is there keeps what its operator set", async () => {
  qstash.queues.set("phoenix_website_transitions", 3);
  expect((await deliverTo("website")).published_at).not.toBeNull();
  expect(qstash.queues.get("phoenix_website_transitions")).toBe(3);
});

test.each([400, 413, 422] as const)(
  "a delivery that QStash refuses with %s has failed for good",
  async (status) => {
    qstash.statuses.set("phoenix_letters_transitions", status);
    expect(await deliverTo("letters")).toMatchObject({
      published_at: null,
      failed_at: expect.any(Date),
    });
  },
);

test("a delivery that QStash cannot take for now stays in the outbox", async () => {
  qstash.statuses.set("phoenix_rise_transitions", 500);
  expect(await deliverTo("rise")).toMatchObject({ published_at: null, failed_at: null });
});

test("a delivery that is given up while QStash is slow to make its queue is not handed over later all the same", async () => {
  await configure("rise");
  const { promise, resolve } = Promise.withResolvers<void>();
  qstash.queues.delete("phoenix_rise_transitions");
  qstash.list = () => promise;
  const user_id = await ask("rise");
  await deliver();
  expect(await deliveryOf(user_id)).toMatchObject({ published_at: null, failed_at: null });
  resolve();
  await eventually(() => qstash.queues.has("phoenix_rise_transitions"));
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(qstash.messages.has("phoenix_rise_transitions")).toBe(false);
});

test("while QStash is away it is offered the deliveries of one lease, and no more", async () => {
  qstash.statuses.set("phoenix_rise_transitions", 500);
  await configure("rise");
  const users = await Promise.all(Array.from({ length: 60 }, () => ask("rise")));
  await deliver();
  const offered = await base.admin`
    select from flywheel.deliveries where user_id in ${base.admin(users)} and attempts > 0
  `;
  expect(offered).toHaveLength(25);
});

test("what an app did not take is delivered to its new address, as long as its transition is open", async () => {
  await configure("website");
  const [waiting, late] = [await ask("website"), await ask("website")];
  await deliver();
  for (const user_id of [waiting, late]) {
    const { delivery_id } = await deliveryOf(user_id);
    await hearFailure(database, { user_id, delivery_id }, { status: 502 });
  }
  await base.admin`
    update public.phoenix_transitions
    set requested_at = requested_at - interval '1 year', expires_at = expires_at - interval '1 year'
    where user_id = ${late}
  `;
  qstash.messages.clear();
  await configure("website");
  await deliver();
  expect(await deliveryOf(waiting)).toMatchObject({ failed_at: null });
  expect(await deliveryOf(late)).toMatchObject({ failed_at: expect.any(Date) });
  expect(
    qstash.messages.has("phoenix_website_transitions"),
    "QStash would take it for a repetition",
  )
    .toBe(false);
  await base
    .admin`update flywheel.deliveries set available_at = available_at - interval '10 minutes'`;
  await deliver();
  expect(qstash.messages.has("phoenix_website_transitions")).toBe(true);
});

test("what QStash refused is tried again once the app is configured again", async () => {
  qstash.statuses.set("phoenix_letters_transitions", 400);
  await configure("letters");
  const user = await ask("letters");
  await deliver();
  expect(await deliveryOf(user)).toMatchObject({ published_at: null });
  qstash.statuses.delete("phoenix_letters_transitions");
  await configure("letters");
  await deliver();
  expect(await deliveryOf(user)).toMatchObject({ published_at: expect.any(Date), failed_at: null });
});

const secretOfLetters = "phoenix_delivery_secret_letters";

test.each([
  ["is lost", () => base.admin`delete from vault.secrets where name = ${secretOfLetters}`],
  [
    "cannot be decrypted",
    () =>
      base.superuser`
        update vault.secrets set secret = encode('another key''s', 'base64') where name = ${secretOfLetters}
      `,
  ],
])("an app whose secret %s holds up no other app, and gets a new one", async (_, lose) => {
  await configure("letters");
  await configure("cv");
  await lose();
  const [first] = await Promise.all(Array.from({ length: 60 }, () => ask("letters")));
  const user = await ask("cv");
  await deliver();
  expect(await deliveryOf(user)).toMatchObject({ published_at: expect.any(Date) });
  expect(await deliveryOf(first!)).toMatchObject({ published_at: null });

  const [row] = await configure("letters");
  expect(row!.configure_app).toMatch(/^[0-9a-f]{64}$/);
  await base.admin`update flywheel.deliveries set available_at = now() where published_at is null`;
  await deliver();
  expect(await deliveryOf(first!)).toMatchObject({ published_at: expect.any(Date) });
});

test("a deliverer goes on past deliveries to an app that has no address any more", async () => {
  await configure("rise");
  await Promise.all(Array.from({ length: 60 }, () => ask("rise")));
  await base.admin`select flywheel.configure_app('rise', null)`;
  await configure("cv");
  const user = await ask("cv");
  await deliver();
  expect(await deliveryOf(user)).toMatchObject({ published_at: expect.any(Date) });
  expect(await database`select from flywheel.deliveries where available_at <= now()`).toEqual([]);
});

test("the deliveries that one app has piled up hold up no other app's", async () => {
  await configure("cv");
  await configure("website");
  await Promise.all(Array.from({ length: 30 }, () => ask("website")));
  await ask("cv");
  const leased = await database<{ app: string }[]>`
    select d ->> 'app' as app from json_array_elements(flywheel.lease_deliveries() -> 'deliveries') as d
  `;
  const count = (app: string) => leased.filter((delivery) => delivery.app === app).length;
  expect([count("cv"), count("website")]).toEqual([1, 12]);
});

test("a deliverer whose time is over rings for the next, and one that leaves nothing behind does not", async () => {
  await configure("cv");
  const rings = async (budgetMs: number) => {
    await base.admin`update flywheel.deliveries set available_at = null`;
    await base.admin`update flywheel.doorbell set rung_at = '-infinity'`;
    await ask("cv");
    await base.admin`update flywheel.doorbell set rung_at = '-infinity'`;
    await deliver(budgetMs);
    const [row] = await base.admin`select rung_at > '-infinity' as rang from flywheel.doorbell`;
    return row!.rang;
  };
  expect(await rings(20_000)).toBe(false);
  qstash.list = () => new Promise((resolve) => setTimeout(resolve, 500));
  expect(await rings(400)).toBe(true);
});

test("QStash is asked to forget what was withdrawn even where no delivery can be leased", async () => {
  const delivery_id = crypto.randomUUID();
  await base.admin`insert into flywheel.withdrawals (delivery_id) values (${delivery_id})`;
  await base.admin`alter function flywheel.lease_deliveries() rename to missing`;
  try {
    await deliver();
  } finally {
    await base.admin`alter function flywheel.missing() rename to lease_deliveries`;
  }
  expect(qstash.forgotten).toEqual([`/v2/messages ${delivery_id}`, `/v2/dlq ${delivery_id}`]);
});
