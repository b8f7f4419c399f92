import type { Instant } from "../clock.ts";
import type { Database } from "./database.ts";

const schema = `
  create table if not exists deduplications (
    deduplication_id text primary key,
    message_id text not null,
    expires_at integer not null
  ) strict;
  create index if not exists deduplications_expiry on deduplications (expires_at);
`;

export type DeduplicationStore = ReturnType<typeof createDeduplicationStore>;

export function createDeduplicationStore(database: Database) {
  database.execute(schema);
  return {
    /** The message that was accepted under this id and whose window is still open. */
    find(deduplicationId: string, now: Instant): string | undefined {
      const row = database.first(
        `select message_id from deduplications
         where deduplication_id = :deduplicationId and expires_at > :now`,
        { deduplicationId, now },
      );
      return typeof row?.message_id === "string" ? row.message_id : undefined;
    },

    remember(deduplicationId: string, messageId: string, now: Instant, window: number): void {
      database.run("delete from deduplications where expires_at <= :now", { now });
      database.run(
        `insert into deduplications (deduplication_id, message_id, expires_at)
         values (:deduplicationId, :messageId, :expiresAt)`,
        { deduplicationId, messageId, expiresAt: now + window },
      );
    },
  };
}
