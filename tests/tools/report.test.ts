import { expect, test } from "vitest";
import { appColours, appOrder, OTHER_APPS } from "../../supabase/tools/report/apps.ts";
import { dailyEvents } from "../../supabase/tools/report/charts/daily-events.ts";
import { cohortsOf } from "../../supabase/tools/report/cohorts.ts";
import type { Figures } from "../../supabase/tools/report/figures.ts";
import { percent, points, probability, signedPercent } from "../../supabase/tools/report/format.ts";
import { parseOptions, UsageError } from "../../supabase/tools/report/options.ts";
import { toPage } from "../../supabase/tools/report/page/page.ts";
import { bar, columns, gathered } from "../../supabase/tools/report/terminal/blocks.ts";
import { toLines } from "../../supabase/tools/report/terminal/summary.ts";
import { wilson } from "../../supabase/tools/report/wilson.ts";

const nothing: Figures = {
  days: 30,
  weeks: 13,
  since: "2025-01-01",
  today: "2025-01-30",
  ecosystem: {
    period_days: 30,
    total_events: 0,
    unique_users: 0,
    avg_events_per_user: 0,
    app_breakdown: {},
    top_events: {},
    generated_at: "2025-01-30T12:34:56+00:00",
  },
  aube: {
    parcours_commencés: 0,
    parcours_complétés: 0,
    taux_completion: 0,
    transitions_écosystème: 0,
    temps_moyen_parcours: null,
    satisfaction_moyenne: null,
    métiers_populaires: [],
  },
  kpis: {
    transition_rate: null,
    avg_transition_minutes: null,
    cross_app_retention_30d: null,
    cross_sell_revenue_uplift: null,
  },
  daily: [],
  funnel: [],
  retention: [],
  experiments: [],
  opportunities: [],
};

test("without arguments it looks at 30 days and 13 weeks, and writes the page where git does not see it", () => {
  expect(parseOptions([])).toEqual({
    days: 30,
    weeks: 13,
    out: ".phoenix/report.html",
    json: false,
    db: undefined,
  });
  expect(parseOptions(["--json"])).toMatchObject({ json: true, out: undefined });
  expect(parseOptions(["--json", "--out", "page.html"])).toMatchObject({ out: "page.html" });
  expect(parseOptions(["--days", "366", "--weeks=53"])).toMatchObject({ days: 366, weeks: 53 });
  expect(parseOptions(["--days", "nonsense", "--help"])).toBe("help");
});

test.each([
  [["--days", "0"], "--days must be a whole number from 1 to 366."],
  [["--days", "367"], "--days must be a whole number from 1 to 366."],
  [["--days", "1e2"], "--days must be a whole number from 1 to 366."],
  [["--days="], "--days must be a whole number from 1 to 366."],
  [["--weeks", "54"], "--weeks must be a whole number from 1 to 53."],
  [["--out="], "--out must name a file."],
  [["--db", "localhost/s3cret"], "--db must be a URL such as postgresql://"],
  [["--db", "mysql://u:s3cret@h/d"], "--db must be a URL such as postgresql://"],
  [
    ["--db", "postgresql://u:s3cret%@h/d"],
    "--db has a % in its user or password that must be written %25.",
  ],
  [["--db", "postgresql://u:1/s3cret@h/d"], "/ ? # @ in the password percent-encoded."],
  [["postgresql://u:s3cret@h/d"], "Every argument has a name, such as --db."],
  [["--day", "3"], "'--day'"],
  [["--days"], "--days"],
])("%j is refused by name, and no password is repeated", (args, reason) => {
  let message = "";
  try {
    parseOptions(args);
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    message = (error as UsageError).message;
  }
  expect(message).toContain(reason);
  expect(message).not.toContain("s3cret");
});

test("where nothing happened every line says so, and no figure is made up", async () => {
  const lines = toLines(nothing, "127.0.0.1:5432/postgres");
  expect(lines[0]).toBe("Phoenix, 30 UTC days: 2025-01-01 to 2025-01-30");
  expect(lines[1]).toBe("127.0.0.1:5432/postgres, 2025-01-30 12:34 UTC");
  expect(lines).toContain("  No event happened.");
  const all = lines.join("\n") + await toPage(nothing, "127.0.0.1:5432/postgres");
  expect(all).not.toMatch(/NaN|Infinity|null|undefined/);
});

test("what others wrote is text in the terminal and in the page, and nothing else", async () => {
  const job = "\u001b]0;owned\u0007\u202e<img src=x onerror=alert(1)>\"'&";
  const figures: Figures = {
    ...nothing,
    aube: { ...nothing.aube, métiers_populaires: [job] },
    experiments: [{
      nudge_type: "<b>",
      variant: "<script>",
      sent: 1,
      shown: 1,
      clicked: 1,
      converted: 1,
      conversion_rate: 1,
      uplift_vs_holdout: null,
      p_value: null,
    }],
  };
  const text = toLines(figures, "here").join("\n");
  expect(text).toContain("1 �]0;owned��<img src=x");
  for (const mark of ["\u001b", "\u0007", "\u202e"]) expect(text).not.toContain(mark);
  const page = await toPage(figures, "<here>");
  expect(page).toContain("&lt;img src=x onerror=alert(1)&gt;&quot;&#39;&amp;");
  expect(page).toContain("&lt;here&gt;");
  expect(page).not.toMatch(/<(img|script|b|here)>?[ >]/);
  expect(page).not.toMatch(/https?:\/\/(?!www\.w3\.org\/)/);
});

test("the page says how it is to be read before it says anything else", async () => {
  const page = await toPage(nothing, "here");
  expect(page.trimStart()).toMatch(
    /^<!doctype html>\s*<html lang="en">\s*<head>\s*<meta charset="utf-8" \/>\s*<meta http-equiv="Content-Security-Policy"/,
  );
  expect(page).toContain(
    '<meta name="viewport" content="width=device-width, initial-scale=1" />',
  );
});

test("the family's apps come first in their colours, the flywheel last, and many others are one", () => {
  const sizes = new Map([["flywheel", 9], ["zoo", 1], ["cv", 2], ["aube", 1], ["big", 5]]);
  expect(appOrder(sizes)).toEqual(["aube", "cv", "big", "zoo", "flywheel"]);
  expect(appOrder(sizes, 4)).toEqual(["aube", "cv", OTHER_APPS, "flywheel"]);
  expect(appColours(["aube", "big"])[0]).toBe(appColours(["big", "aube"])[1]);
  const many = appOrder(new Map(Array.from({ length: 60 }, (_, index) => [`app-${index}`, 1])));
  expect(new Set(appColours(many)).size).toBe(many.length);
});

test("a day without events keeps its place, and one ahead of the clock gets one", () => {
  const figures = {
    ...nothing,
    since: "2025-01-28",
    daily: [{ date: "2025-01-31", app_source: "cv", events: 1 }],
  };
  expect(toLines(figures, "here")).toContain("  cv     █  1");
  const spec = JSON.stringify(dailyEvents(figures));
  expect(spec).toContain('"domain":["2025-01-28","2025-01-29","2025-01-30","2025-01-31"]');
});

test("a week in which nobody of a cohort was there is a cell of its own, up to this week", () => {
  const row = { app_source: null, cohort_week: "2025-01-06" };
  const cohorts = cohortsOf(
    [
      { ...row, weeks_later: 0, users: 4, retention: 1 },
      { ...row, weeks_later: 2, users: 1, retention: 0.25 },
      { ...row, app_source: "cv", weeks_later: 1, users: 3, retention: 0.75 },
    ],
    null,
    "2025-01-30",
  );
  expect(cohorts).toEqual([{
    week: "2025-01-06",
    users: 4,
    cells: [
      { weeksLater: 0, users: 4, retention: 1 },
      { weeksLater: 1, users: 0, retention: 0 },
      { weeksLater: 2, users: 1, retention: 0.25 },
      { weeksLater: 3, users: 0, retention: 0 },
    ],
  }]);
});

test.each([
  // Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17, 1998, table I.
  [81, 263, 0.2553, 0.3662],
  [15, 148, 0.0624, 0.1605],
  [0, 20, 0, 0.1611],
  [1, 29, 0.0061, 0.1718],
])("the interval of %i in %i is the published one", (successes, trials, low, high) => {
  const [from, to] = wilson(successes, trials);
  expect(from).toBeCloseTo(low, 4);
  expect(to).toBeCloseTo(high, 4);
});

test("bars and columns are as long as they should be, and what is little can be seen", () => {
  expect(bar(0.5, 4)).toBe("██  ");
  expect(bar(0.001, 4)).toBe("▏   ");
  expect(bar(0, 4)).toBe("    ");
  expect(bar(1, 4)).toBe("████");
  expect(columns([0, 1, 4, 8], 8)).toBe(" ▁▄█");
  expect(columns([0, 0], 0)).toBe("  ");
  expect(gathered([1, 2, 3, 4, 5], 3)).toEqual([3, 7, 5]);
  expect(gathered([1, 2], 3)).toEqual([1, 2]);
});

test("numbers are written for people", () => {
  expect([percent(0.625), percent(null)]).toEqual(["62.5%", "–"]);
  expect([signedPercent(0.34), signedPercent(-0.1)]).toEqual(["+34.0%", "−10.0%"]);
  expect([points(0.061), points(null)]).toEqual(["+6.1 points", "–"]);
  expect([probability(0.0001), probability(0.0331)]).toEqual(["< 0.001", "0.033"]);
});
