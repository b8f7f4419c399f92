import { Cron } from "croner";
import type { Instant } from "./clock.ts";
import { RequestError } from "./request-error.ts";

const timezonePrefix = /^(?:CRON_TZ|TZ)=(\S+)\s+/;

/**
 * The first time after `after` that a cron expression names: five fields, in UTC or in the zone of
 * a `CRON_TZ=` prefix.
 *
 * @throws RequestError 400 where the expression or its zone is invalid or names no further time.
 */
export function nextCronTime(expression: string, after: Instant): Instant {
  const timezone = expression.match(timezonePrefix)?.[1] ?? "UTC";
  const pattern = expression.replace(timezonePrefix, "").trim();
  let next: Date | null;
  try {
    next = new Cron(pattern, { timezone, mode: "5-part" }).nextRun(new Date(after));
  } catch (error) {
    throw new RequestError(
      400,
      `invalid cron expression: ${error instanceof Error ? error.message : error}`,
    );
  }
  if (!next) throw new RequestError(400, "invalid cron expression: it names no time to come");
  return next.getTime();
}
