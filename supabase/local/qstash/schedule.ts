import type { Clock, Instant } from "./clock.ts";
import { nextCronTime } from "./cron.ts";
import type { Publish } from "./publish.ts";
import type { Schedule } from "./store/schedules.ts";
import type { Store } from "./store/store.ts";
import { createTimer } from "./timer.ts";

export interface Scheduler {
  /** Looks for schedules that are due; called whenever one has changed. */
  wake(): void;
  close(): void;
}

/**
 * Publishes a schedule's message at each of its times. Times that passed while the server was down
 * are made up for by one message. A paused schedule's times pass without one.
 */
export function createScheduler(
  { store, clock, publish, onPublished }: {
    store: Store;
    clock: Clock;
    publish: Publish;
    onPublished: () => void;
  },
): Scheduler {
  // Before the first look, the clock may have been anywhere.
  let lastLook: Instant = Infinity;
  const timer = createTimer(clock, () => {
    const now = clock.now();
    if (now < lastLook) bringForward(now);
    lastLook = now;
    const due = store.schedules.due(now);
    for (const schedule of due) store.transaction(() => trigger(schedule));
    if (due.some((schedule) => !schedule.paused)) onPublished();
    return store.schedules.nextDue();
  });

  function trigger(schedule: Schedule): void {
    const { scheduleId, url, body, options, queue, callerIp } = schedule;
    if (!schedule.paused) {
      const { messageId } = publish({ url, body, options, queue, callerIp, scheduleId });
      store.schedules.recordRun(scheduleId, schedule.nextAt, messageId);
    }
    store.schedules.reschedule(scheduleId, nextCronTime(schedule.cron, clock.now()));
  }

  /** Times computed while the clock was ahead would keep schedules waiting until it is there again. */
  function bringForward(now: Instant): void {
    for (const { scheduleId, cron, nextAt } of store.schedules.list()) {
      const next = nextCronTime(cron, now);
      if (nextAt > next) store.schedules.reschedule(scheduleId, next);
    }
  }

  timer.wake();
  return timer;
}
