import type { Instant } from "../clock.ts";
import { type Database, openDatabase } from "./database.ts";
import { createDeadLetterStore, type DeadLetterStore } from "./dead-letters.ts";
import { createDeduplicationStore, type DeduplicationStore } from "./deduplications.ts";
import { createFlowControlStore, type FlowControlStore } from "./flow-controls.ts";
import { createLogStore, type LogStore } from "./logs.ts";
import { createMessageStore, type MessageStore } from "./messages.ts";
import { createQueueStore, type QueueStore } from "./queues.ts";
import { createScheduleStore, type ScheduleStore } from "./schedules.ts";
import { createSettingStore, type SettingStore, type SigningKeys } from "./settings.ts";
import { setAsideUnreadable } from "./unreadable.ts";

/** Everything the server must not forget, in one SQLite file. */
export interface Store extends Pick<Database, "transaction" | "close"> {
  messages: MessageStore;
  deadLetters: DeadLetterStore;
  queues: QueueStore;
  schedules: ScheduleStore;
  deduplications: DeduplicationStore;
  flowControls: FlowControlStore;
  logs: LogStore;
  settings: SettingStore;
  setAsideUnreadable(now: Instant): void;
}

export function openStore(path: string, configuredKeys: SigningKeys): Store {
  const database = openDatabase(path);
  return {
    transaction: database.transaction,
    close: database.close,
    messages: createMessageStore(database),
    deadLetters: createDeadLetterStore(database),
    queues: createQueueStore(database),
    schedules: createScheduleStore(database),
    deduplications: createDeduplicationStore(database),
    flowControls: createFlowControlStore(database),
    logs: createLogStore(database),
    settings: createSettingStore(database, configuredKeys),
    setAsideUnreadable: (now) => setAsideUnreadable(database, now),
  };
}
