import { expect } from "vitest";
import type postgres from "postgres";
import { eventually } from "./eventually.ts";
import { type Answer, type CallFunction, functionsOf } from "./functions.ts";
import { type OwnStack, ownStack } from "./own-stack.ts";
import { type Received, type ReceivingApp, receivingApp } from "./receiving-app.ts";
import { tempFolder } from "./temp-folder.ts";

type AppName = "aube" | "cv" | "letters" | "rise" | "website";

/** How a transition stands, and the states that its user's stream tells of. */
export interface Saga {
  status: string;
  reason: string | null;
  told: string[];
}

/** A stack whose apps have addresses, with QStash in a hurry. */
export interface Ecosystem extends AsyncDisposable {
  stack: OwnStack;
  dataDir: string;
  call: CallFunction;
  sql: postgres.Sql;
  apps: Record<AppName, ReceivingApp>;
  /** What signs the deliveries to each app. */
  secrets: Record<AppName, string>;
  /** Does something with deliveries that QStash gives up within a second, and drops those that an app takes a second to answer. */
  hastily<T>(act: () => Promise<T>): Promise<T>;
  /** Says where an app wants its deliveries; returns its secret. */
  configure(app: AppName, url: string | null): Promise<string>;
  /** A user chooses a job: returns the user. */
  choose(user_id?: string, métier?: string): Promise<string>;
  /** Somebody asks for a transition by hand: returns its id. */
  ask(user_id: string, target_app: AppName): Promise<string>;
  /** Takes a step of a transition with the secret key: returns the HTTP status. */
  take(transition_id: string, step: string): Promise<number>;
  processQueue(): Promise<Answer>;
  /** The last transition of a user to an app. */
  sagaOf(user_id: string, target_app: AppName): Promise<Saga | undefined>;
  /** Waits until that transition has a status: returns the transition. */
  sagaBecomes(user_id: string, target_app: AppName, status: string): Promise<Saga>;
  /** Waits until the delivery about a user to an app was taken by QStash, was taken by the app, or was given up. */
  deliveryBecomes(
    user_id: string,
    app: AppName,
    what: "published" | "delivered" | "failed",
  ): Promise<void>;
}

/** Boots the stack and a server for each app. */
export async function ecosystem(): Promise<Ecosystem> {
  const folder = await tempFolder();
  const dataDir = `${folder.path}/data`;
  const stack = await ownStack({ dataDir });
  const call = functionsOf(stack.env);
  const sql = stack.adminSql();
  const apps = {
    aube: receivingApp(),
    cv: receivingApp(),
    letters: receivingApp(),
    rise: receivingApp(),
    website: receivingApp(),
  };

  async function configure(app: AppName, url: string | null): Promise<string> {
    const [row] = await sql<{ secret: string }[]>`
      select flywheel.configure_app(${app}, ${url}) as secret
    `;
    return row!.secret;
  }

  async function sagaOf(user_id: string, target_app: AppName): Promise<Saga | undefined> {
    const [row] = await sql<Saga[]>`
      select
        t.status,
        t.reason,
        array(
          select e.payload ->> 'status'
          from public.phoenix_events as e
          where e.user_id = t.user_id and e.payload ->> 'transition_id' = t.transition_id::text
          order by e.version
        ) as told
      from public.phoenix_transitions as t
      where t.user_id = ${user_id} and t.target_app = ${target_app}
      order by t.requested_at desc
      limit 1
    `;
    return row;
  }

  // A busy machine's apps and functions may take long to answer, or to come back.
  const beUnhurried = () =>
    sql`
      update flywheel.settings
      set delivery_timeout = '20 seconds', delivery_retries = 20, delivery_retry_delay = '300 * (1 + retried)'
    `;
  await sql`update flywheel.settings set lease_time = '1 second'`;
  await beUnhurried();
  const names = Object.keys(apps) as AppName[];
  const secrets = Object.fromEntries(
    await Promise.all(names.map(async (app) => [app, await configure(app, apps[app].url)])),
  ) as Record<AppName, string>;

  return {
    stack,
    dataDir,
    call,
    sql,
    apps,
    secrets,
    async hastily(act) {
      await sql`
        update flywheel.settings
        set delivery_timeout = '1 second', delivery_retries = 6, delivery_retry_delay = '100'
      `;
      try {
        return await act();
      } finally {
        await beUnhurried();
      }
    },
    configure,
    sagaOf,
    async choose(user_id = crypto.randomUUID(), métier = "Data Scientist") {
      const answer = await call("POST", "events", {
        as: "secret",
        json: {
          event_type: "métier_choisi",
          app_source: "phoenix_aube",
          user_id,
          payload: { métier, score_ia_résistance: 0.72 },
        },
      });
      expect(answer.status, answer.text).toBe(202);
      return user_id;
    },
    async ask(user_id, target_app) {
      const answer = await call("POST", "transitions", {
        as: "secret",
        json: { target_app, user_id, context: { métier_choisi: "Coach" } },
      });
      expect(answer.status, answer.text).toBe(201);
      return (answer.body as { transition_id: string }).transition_id;
    },
    async take(transition_id, step) {
      return (await call("POST", `transitions/${transition_id}/${step}`, { as: "secret" })).status;
    },
    processQueue: () => call("POST", "events/process-queue", { as: "secret" }),
    sagaBecomes: (user_id, target_app, status) =>
      eventually(async () => {
        const saga = await sagaOf(user_id, target_app);
        expect(saga?.status).toBe(status);
        return saga;
      }),
    async deliveryBecomes(user_id, app, what) {
      await eventually(async () => {
        const [row] = await sql`
          select from flywheel.deliveries
          where user_id = ${user_id} and app = ${app} and ${sql(`${what}_at`)} is not null
        `;
        return row;
      });
    },
    async [Symbol.asyncDispose]() {
      await sql.end();
      await stack[Symbol.asyncDispose]();
      await Promise.all(Object.values(apps).map((app) => app.stop()));
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** The distinct ids of deliveries. */
export function idsOf(received: readonly Received[]): string[] {
  return [...new Set(received.map(({ delivery_id }) => delivery_id))];
}
