import { appOrder, OTHER_APPS } from "../apps.ts";
import { cohortsOf } from "../cohorts.ts";
import { daysOf } from "../days.ts";
import type { Figures } from "../figures.ts";
import {
  counted,
  fixed,
  lastWeeks,
  moment,
  number,
  percent,
  points,
  probability,
} from "../format.ts";
import { keyFigures } from "../key-figures.ts";
import { bar, columns, gathered } from "./blocks.ts";
import { plain } from "./plain.ts";

/** How many columns a line of days takes at most. */
const DAYS_WIDTH = 61;
const BAR_WIDTH = 24;

/**
 * The figures as lines for a terminal.
 *
 * @param place where they were read
 */
export function toLines(figures: Figures, place: string): string[] {
  const { days, since, today, ecosystem } = figures;
  return [
    `Phoenix, ${counted(days, "UTC day")}: ${since} to ${today}`,
    `${place}, ${moment(ecosystem.generated_at)}`,
    ...section("Key figures", keyFigureLines(figures), ""),
    ...section(
      "Events a day, each app beside its own busiest day",
      dailyLines(figures),
      "No event happened.",
    ),
    ...section(
      `Aube, users who began in ${lastWeeks(figures.weeks)}`,
      funnelLines(figures),
      "No exploration began.",
    ),
    ...section("Jobs chosen most often", jobLines(figures), "No job was chosen."),
    ...section(
      "Users of each week's first event, and who was there so many weeks later",
      retentionLines(figures),
      "Nobody came for the first time.",
    ),
    ...section("Nudges that led to what they were for", nudgeLines(figures), "None was sent."),
  ];
}

function section(title: string, lines: readonly string[], otherwise: string): string[] {
  return ["", title, ...(lines.length > 0 ? lines : [otherwise]).map((line) => `  ${line}`)];
}

function keyFigureLines(figures: Figures): string[] {
  return keyFigures(figures).map(({ name, value }) => `${name.padEnd(24)}${value.padStart(10)}`);
}

function dailyLines(figures: Figures): string[] {
  const { daily, ecosystem } = figures;
  const sizes = new Map<string, number>();
  for (const { app_source, events } of daily) {
    sizes.set(app_source, (sizes.get(app_source) ?? 0) + events);
  }
  const apps = appOrder(sizes);
  const dates = daysOf(figures);
  const lines = apps.map((app) => {
    const isMeant = (name: string) => app === OTHER_APPS ? !apps.includes(name) : name === app;
    const days = dates.map((date) =>
      daily.filter((day) => day.date === date && isMeant(day.app_source))
        .reduce((sum, { events }) => sum + events, 0)
    );
    const events = [...sizes].filter(([name]) => isMeant(name)).reduce((sum, [, n]) => sum + n, 0);
    return { app, events, days: gathered(days, DAYS_WIDTH) };
  });
  const width = Math.max(0, ...apps.map(({ length }) => length));
  return lines.map(({ app, events, days }) => {
    const users = ecosystem.app_breakdown[app]?.users;
    const whose = users === undefined ? "" : ` of ${counted(users, "user")}`;
    return `${plain(app).padEnd(width)}  ${columns(days, Math.max(...days))}  ${
      number(events)
    }${whose}`;
  });
}

function funnelLines({ funnel }: Figures): string[] {
  const steps = funnel.filter(({ cohort_week }) => cohort_week === null);
  const most = Math.max(1, ...steps.map(({ users }) => users));
  return steps.map(({ step, event_type, users, conversion, median_minutes }) =>
    [
      `${step} ${event_type}`.padEnd(35),
      bar(users / most, BAR_WIDTH),
      number(users).padStart(7),
      percent(conversion).padStart(7),
      median_minutes === null ? "" : `  median ${fixed(median_minutes, 1)} min`,
    ].join("")
  );
}

function jobLines({ aube }: Figures): string[] {
  return aube.métiers_populaires.map((job, index) => `${index + 1} ${plain(job)}`);
}

function retentionLines({ retention, today }: Figures): string[] {
  const cohorts = cohortsOf(retention, null, today);
  if (cohorts.length === 0) return [];
  const most = Math.max(...cohorts.map(({ cells }) => cells.length));
  const head = Array.from({ length: most }, (_, index) => String(index).padStart(5)).join("");
  return [
    `${"from Monday".padEnd(12)}${"users".padStart(7)}${head}`,
    ...cohorts.map(({ week, users, cells }) =>
      [
        week.padEnd(12),
        number(users).padStart(7),
        ...cells.map(({ retention }) => `${Math.round(retention * 100)}%`.padStart(5)),
      ].join("")
    ),
  ];
}

function nudgeLines({ experiments }: Figures): string[] {
  const most = Math.max(0.01, ...experiments.map(({ conversion_rate }) => conversion_rate));
  return experiments.map((arm) =>
    [
      plain(arm.nudge_type).padEnd(19),
      plain(arm.variant).padEnd(9),
      bar(arm.conversion_rate / most, BAR_WIDTH),
      percent(arm.conversion_rate).padStart(7),
      `  ${number(arm.converted)} of ${number(arm.sent)}`,
      arm.uplift_vs_holdout === null
        ? ""
        : `  ${points(arm.uplift_vs_holdout)}, p ${probability(arm.p_value)}`,
    ].join("")
  );
}
