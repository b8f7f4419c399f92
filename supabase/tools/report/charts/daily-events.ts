import type { TopLevelSpec } from "vega-lite";
import { appColours, appOrder, OTHER_APPS } from "../apps.ts";
import { daysOf } from "../days.ts";
import type { Figures } from "../figures.ts";
import { style, WIDTH } from "./style.ts";

/** How many days have their name below the axis, at most. */
const MOST_LABELS = 12;

/** Events a day as bars, one upon the other by app. */
export function dailyEvents(figures: Figures): TopLevelSpec {
  const { daily } = figures;
  const sizes = new Map<string, number>();
  for (const { app_source, events } of daily) {
    sizes.set(app_source, (sizes.get(app_source) ?? 0) + events);
  }
  const apps = appOrder(sizes);
  const days = daysOf(figures);
  const each = Math.ceil(days.length / MOST_LABELS);
  return {
    data: {
      values: daily.map(({ date, app_source, events }) => {
        const app = apps.includes(app_source) ? app_source : OTHER_APPS;
        return { date, app, order: apps.indexOf(app), events };
      }),
    },
    width: WIDTH - 180,
    height: 260,
    mark: "bar",
    encoding: {
      x: {
        field: "date",
        type: "ordinal",
        scale: { domain: days, paddingInner: 0.1, paddingOuter: 0.05 },
        axis: {
          title: "UTC day",
          values: days.filter((_, index) => (days.length - 1 - index) % each === 0),
          labelAngle: 0,
          labelExpr: "utcFormat(toDate(datum.value), '%-d %b')",
        },
      },
      y: { aggregate: "sum", field: "events", type: "quantitative", axis: { title: "events" } },
      color: {
        field: "app",
        type: "nominal",
        scale: { domain: apps, range: appColours(apps) },
      },
      order: { field: "order", type: "ordinal" },
    },
    config: style,
  };
}
