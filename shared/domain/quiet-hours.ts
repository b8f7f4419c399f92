import { minute } from "./duration.ts";

/** A part of the day, `21:00` to `08:00`, on the clocks of a time zone. It may reach over midnight. */
export interface QuietHours {
  readonly from: string;
  readonly until: string;
  readonly time_zone: string;
}

const minutesOfDay = 24 * 60;

/** Clocks are put forward or back at a full quarter of an hour, if at all: up to the next one they run evenly. */
const quarter = 15;

/**
 * The first moment from `at` on that is not in the quiet hours: `at` itself, or their end by the clocks there, whether or
 * not they are put forward or back meanwhile.
 *
 * @param at milliseconds since 1970
 */
export function afterQuietHours(at: number, quiet: QuietHours): number {
  const from = read(quiet.from);
  const until = read(quiet.until);
  const isQuiet = (clock: number) =>
    from <= until ? clock >= from && clock < until : clock >= from || clock < until;

  let time = at;
  let clock = clockAt(time, quiet.time_zone);
  while (isQuiet(clock)) {
    const minutes = Math.floor(time / minute);
    const left = (until - clock + minutesOfDay) % minutesOfDay;
    time = (minutes + Math.min(left, quarter - minutes % quarter)) * minute;
    clock = clockAt(time, quiet.time_zone);
  }
  return time;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** The minutes since midnight that clocks there show. */
function clockAt(at: number, timeZone: string): number {
  let format = formats.get(timeZone);
  if (!format) {
    format = new Intl.DateTimeFormat("en-GB", {
      timeZone,
      hour: "2-digit",
      minute: "2-digit",
      hourCycle: "h23",
    });
    formats.set(timeZone, format);
  }
  return read(format.format(at));
}

function read(clock: string): number {
  const [hours = 0, minutes = 0] = clock.split(":").map(Number);
  return hours * 60 + minutes;
}
