import fc from "fast-check";
import { expect, test } from "vitest";
import { hour, minute } from "../../shared/domain/duration.ts";
import { afterQuietHours, type QuietHours } from "../../shared/domain/quiet-hours.ts";

const paris: QuietHours = { from: "21:00", until: "08:00", time_zone: "Europe/Paris" };

test.each([
  ["the middle of the day stays", "2025-01-15T14:30:12Z", "2025-01-15T14:30:12Z"],
  ["a minute to nine in the evening stays", "2025-01-15T19:59:59Z", "2025-01-15T19:59:59Z"],
  ["nine in the evening waits", "2025-01-15T20:00:00Z", "2025-01-16T07:00:00Z"],
  ["midnight waits", "2025-01-15T23:00:00Z", "2025-01-16T07:00:00Z"],
  ["a second to eight waits", "2025-01-16T06:59:59Z", "2025-01-16T07:00:00Z"],
  ["eight in the morning stays", "2025-01-16T07:00:00Z", "2025-01-16T07:00:00Z"],
  ["a summer evening waits by summer time", "2025-07-15T19:00:00Z", "2025-07-16T06:00:00Z"],
  [
    "the night in which clocks go forward is an hour shorter",
    "2025-03-29T20:00:00Z",
    "2025-03-30T06:00:00Z",
  ],
  [
    "the night in which clocks go back is an hour longer",
    "2025-10-25T19:00:00Z",
    "2025-10-26T07:00:00Z",
  ],
  ["after the clocks went forward", "2025-03-30T01:00:00Z", "2025-03-30T06:00:00Z"],
  ["in the hour that comes twice", "2025-10-26T00:30:00Z", "2025-10-26T07:00:00Z"],
])("%s", (_, at, expected) => {
  expect(new Date(afterQuietHours(Date.parse(at), paris)))
    .toEqual(new Date(expected));
});

const clockTime = fc.tuple(fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 59 }))
  .map((parts) => parts.map((part) => String(part).padStart(2, "0")).join(":"));
const time = fc.integer({
  min: Date.parse("2020-01-01T00:00:00Z"),
  max: Date.parse("2035-01-01T00:00:00Z"),
});

/** Days on which clocks are put forward or back somewhere, and the days around them. */
const changing = fc.tuple(
  fc.constantFrom(
    "2025-03-09",
    "2025-03-30",
    "2025-04-05",
    "2025-10-04",
    "2025-10-26",
    "2025-11-02",
  ),
  fc.integer({ min: -48 * hour, max: 24 * hour }),
).map(([date, later]) => Date.parse(date) + later);

test("whatever the hours, zone and time: the wait ends with the first minute that is not quiet", () => {
  const quiet = fc.record({
    from: clockTime,
    until: clockTime,
    time_zone: fc.constantFrom(
      "Europe/Paris",
      "UTC",
      "America/New_York",
      "Australia/Lord_Howe",
      "Asia/Kolkata",
    ),
  });
  fc.assert(
    fc.property(quiet, fc.oneof(time, changing), (quiet, at) => {
      const { from, until, time_zone } = quiet;
      const isQuiet = (time: number) => {
        const clock = new Date(time).toLocaleTimeString("en-GB", {
          timeZone: time_zone,
          timeStyle: "short",
        });
        return from <= until ? from <= clock && clock < until : from <= clock || clock < until;
      };
      let first = at;
      while (isQuiet(first)) first += minute - first % minute;
      expect(afterQuietHours(at, quiet)).toBe(first);
    }),
    { numRuns: 300 },
  );
});

test.each([
  ["03:24", "2025-03-30T01:00:00Z"],
  ["02:50", "2025-03-31T00:44:00Z"],
])(
  "where the clocks skip the end, the wait ends when they have, if it is not quiet again: from %s",
  (from, expected) => {
    const quiet = { ...paris, from, until: "02:44" };
    expect(new Date(afterQuietHours(Date.parse("2025-03-29T12:00:00Z"), quiet)))
      .toEqual(new Date(expected));
  },
);

test("in Paris the wait ends at eight sharp", () => {
  fc.assert(
    fc.property(time, (at) => {
      const after = afterQuietHours(at, paris);
      if (after === at) return;
      expect(after % minute).toBe(0);
      expect(new Date(after).toLocaleTimeString("fr-FR", { timeZone: "Europe/Paris" }))
        .toBe("08:00:00");
    }),
    { numRuns: 1000 },
  );
});

test("equal times mean no quiet hours", () => {
  fc.assert(
    fc.property(time, clockTime, (at, clock) => {
      expect(afterQuietHours(at, { from: clock, until: clock, time_zone: "Europe/Paris" })).toBe(
        at,
      );
    }),
  );
});
