import { requestTransition, transitionRequest } from "../../shared/flywheel/transitions.ts";
import type { Database } from "../../shared/platform/database.ts";
import type { TestDatabase } from "./database.ts";

/** What a test does with the deliveries of its own database. */
export type Outbox = ReturnType<typeof outbox>;

/** Opens the deliveries of a test's own database: cv has an address. */
export async function openOutbox(base: TestDatabase, database: Database): Promise<Outbox> {
  const opened = outbox(base, database);
  await opened.configure("cv", "http://127.0.0.1/");
  return opened;
}

function outbox(base: TestDatabase, database: Database) {
  return {
    /** A user of whom cv is to be told so many things. */
    async userWithDeliveries(count: number): Promise<{ user_id: string; ids: string[] }> {
      const user_id = crypto.randomUUID();
      const ids = Array.from({ length: count }, () => crypto.randomUUID());
      await base.admin`insert into flywheel.streams (user_id) values (${user_id})`;
      for (const delivery_id of ids) {
        await base.admin`
          insert into flywheel.deliveries (user_id, delivery_id, app, kind, message, created_at, available_at)
          values (${user_id}, ${delivery_id}, 'cv', 'notification', '{}', now(), now())
        `;
      }
      return { user_id, ids };
    },

    /** Asks for a transition to an app: its id. */
    async ask(user_id: string, more: object = {}): Promise<string> {
      const { transition_id } = await requestTransition(
        database,
        user_id,
        transitionRequest.parse({ target_app: "cv", ...more }),
      );
      return transition_id;
    },

    /** Says where an app wants its deliveries, and perhaps its secret: the secret in force. */
    async configure(
      app: string,
      url: string | null,
      secret: string | null = null,
    ): Promise<string> {
      const [row] = await base.admin<{ secret: string }[]>`
        select flywheel.configure_app(${app}, ${url}, ${secret}) as secret
      `;
      return row!.secret;
    },

    /** Takes what is due: the deliveries' ids. */
    async lease(): Promise<string[] | undefined> {
      const [row] = await database<{ leased: { deliveries: { delivery_id: string }[] } | null }[]>`
        select flywheel.lease_deliveries() as leased
      `;
      return row!.leased?.deliveries.map(({ delivery_id }) => delivery_id).sort();
    },

    /** Says that QStash has taken a delivery. */
    async markPublished(about: { user_id: string; delivery_id: string }): Promise<void> {
      await database`select flywheel.mark_published(${JSON.stringify([about])}::text::jsonb)`;
    },

    /** The only delivery about a user, as QStash names it. */
    async only(user_id: string): Promise<{ user_id: string; delivery_id: string }> {
      const rows = await base.admin<{ delivery_id: string }[]>`
        select delivery_id from flywheel.deliveries where user_id = ${user_id}
      `;
      if (rows.length !== 1) throw new Error(`${rows.length} deliveries about ${user_id}`);
      return { user_id, delivery_id: rows[0]!.delivery_id };
    },

    /** The deliveries about a user, oldest first. */
    of(user_id: string) {
      return base.admin<Record<string, unknown>[]>`
        select
          app, kind, transition_id, available_at is not null as is_due, published_at, delivered_at, failed_at
        from flywheel.deliveries
        where user_id = ${user_id}
        order by created_at
      `;
    },
  };
}
