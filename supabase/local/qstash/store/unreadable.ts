import { z } from "zod";
import type { Instant } from "../clock.ts";
import type { Database, Row } from "./database.ts";
import { readMessage } from "./messages.ts";
import { readSchedule } from "./schedules.ts";

/**
 * Sets aside what cannot be read, such as what another version with other options wrote, so that it does not stop the rest. A
 * message is dead from then on and the log says why; a schedule is removed.
 */
export function setAsideUnreadable(database: Database, now: Instant): void {
  const messages = database.all(
    `select * from messages
     where state <> 'dead' or message_id in (select message_id from dead_letters)`,
  );
  for (const row of messages) {
    const fault = faultOf(row, readMessage);
    if (fault === undefined) continue;
    const error = `it cannot be read: ${fault}`;
    console.error(`message ${row.message_id} to ${row.url} is given up, ${error}`);
    const parameters = { messageId: row.message_id ?? null };
    database.transaction(() => {
      database.run("update messages set state = 'dead' where message_id = :messageId", parameters);
      database.run("delete from dead_letters where message_id = :messageId", parameters);
      database.run(
        `insert into logs (
           time, state, message_id, url, host, path, queue, schedule_id, caller_ip,
           flow_control_key, labels, entry
         )
         select
           :now, 'FAILED', message_id, url, host, path, queue, schedule_id, caller_ip,
           flow_control_key, labels, :entry
         from messages where message_id = :messageId`,
        {
          ...parameters,
          now,
          entry: JSON.stringify({
            time: now,
            state: "FAILED",
            messageId: row.message_id,
            url: row.url,
            error,
          }),
        },
      );
    });
  }
  for (const row of database.all("select * from schedules")) {
    const fault = faultOf(row, readSchedule);
    if (fault === undefined) continue;
    console.error(
      `schedule ${row.schedule_id} (${row.cron}) to ${row.url} is removed, it cannot be read: ${fault}`,
    );
    database.run("delete from schedules where schedule_id = :scheduleId", {
      scheduleId: row.schedule_id ?? null,
    });
  }
}

function faultOf(row: Row, read: (row: Row) => unknown): string | undefined {
  try {
    read(row);
  } catch (error) {
    if (!(error instanceof z.ZodError)) return String(error);
    return error.issues.map(({ path, message }) => `${path.join(".")} ${message}`).join(", ");
  }
}
