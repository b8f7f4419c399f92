import type { TopLevelSpec } from "vega-lite";
import type { Cohort } from "../cohorts.ts";
import { number } from "../format.ts";
import { room, style } from "./style.ts";

/** From how wide a cell on it has room for its figure. */
const LABELLED_FROM = 36;

const colour = {
  field: "retention",
  type: "quantitative",
  scale: { domain: [0, 1], range: ["#fff4e6", "#d9480f"] },
  legend: null,
} as const;

/** A cell for each week of each cohort, the darker the more of its users were there. */
export function retention(cohorts: readonly Cohort[]): TopLevelSpec {
  const width = step(50, 700, widest(cohorts));
  const values = cohorts.flatMap(({ week, users, cells }) =>
    cells.map((cell) => ({
      cohort: `${week}  (${number(users)})`,
      weeksLater: cell.weeksLater,
      retention: cell.retention,
      label: width < LABELLED_FROM ? "" : `${Math.round(cell.retention * 100)}%`,
    }))
  );
  return {
    data: { values },
    width: { step: width },
    height: { step: step(26, 740, cohorts.length) },
    encoding: {
      x: {
        field: "weeksLater",
        type: "ordinal",
        axis: {
          title: "weeks after the first",
          orient: "top",
          labelAngle: 0,
          labelOverlap: true,
          ticks: false,
          titleAnchor: "start",
        },
      },
      y: {
        field: "cohort",
        type: "ordinal",
        sort: null,
        axis: {
          title: "first week (users)",
          ticks: false,
          titleAngle: 0,
          titleAlign: "right",
          titleX: -6,
          titleY: -12,
          ...room(130),
        },
      },
    },
    layer: [
      { mark: { type: "rect", stroke: "white" }, encoding: { color: colour } },
      {
        mark: { type: "text" },
        encoding: {
          text: { field: "label", type: "nominal" },
          color: { condition: { test: "datum.retention > 0.6", value: "white" }, value: "#343a40" },
        },
      },
    ],
    config: style,
  };
}

/** The same for several apps side by side, in small and without figures. */
export function retentionByApp(
  apps: readonly { app: string; cohorts: readonly Cohort[] }[],
): TopLevelSpec {
  const values = apps.flatMap(({ app, cohorts }) =>
    cohorts.flatMap(({ week, cells }) =>
      cells.map(({ weeksLater, retention }) => ({ app, week, weeksLater, retention }))
    )
  );
  const weeks = new Set(values.map(({ week }) => week));
  const most = Math.max(...apps.map(({ cohorts }) => widest(cohorts)));
  return {
    data: { values },
    facet: {
      field: "app",
      type: "nominal",
      sort: apps.map(({ app }) => app),
      header: { title: null },
    },
    columns: 3,
    spacing: 24,
    spec: {
      width: Math.min(200, Math.max(120, most * 18)),
      height: Math.min(200, weeks.size * 18),
      mark: { type: "rect", stroke: "white", strokeWidth: 0.5 },
      encoding: {
        x: {
          field: "weeksLater",
          type: "ordinal",
          axis: {
            title: "weeks after the first",
            labelAngle: 0,
            labelOverlap: true,
            ticks: false,
          },
        },
        y: {
          field: "week",
          type: "ordinal",
          axis: { title: null, ticks: false, labelFontSize: 10, labelOverlap: true, ...room(80) },
        },
        color: colour,
      },
    },
    config: style,
  };
}

/** How many weeks the oldest cohort has. */
function widest(cohorts: readonly Cohort[]): number {
  return Math.max(1, ...cohorts.map(({ cells }) => cells.length));
}

/** How large a cell is: as large as it may be where so many of them fit. */
function step(most: number, space: number, cells: number): number {
  return Math.min(most, Math.floor(space / Math.max(1, cells)));
}
