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

test("whatever the hours, zone and time: the wait ends once, outside the quiet hours, within 25 hours", () => {
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
    fc.property(quiet, time, (quiet, at) => {
      const after = afterQuietHours(at, quiet);
      expect(after).toBeGreaterThanOrEqual(at);
      expect(after - at).toBeLessThan(25 * hour);
      expect(afterQuietHours(after, quiet)).toBe(after);
    }),
    { numRuns: 2000 },
  );
});

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
