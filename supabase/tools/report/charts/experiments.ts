import type { TopLevelSpec } from "vega-lite";
import type { ExperimentArm } from "../figures.ts";
import { number, percent } from "../format.ts";
import { wilson } from "../wilson.ts";
import { ACCENT, QUIET, room, style, WIDTH } from "./style.ts";

/** What share of the nudges of each wording led to something, with its 95% interval, beside the holdout. */
export function experiments(arms: readonly ExperimentArm[]): TopLevelSpec {
  const drawn = arms.map((arm) => {
    const [low, high] = wilson(arm.converted, arm.sent);
    const counts = `${number(arm.converted)} of ${number(arm.sent)}`;
    const label = `${percent(arm.conversion_rate)}  (${counts})`;
    return { ...arm, low, high, label };
  });
  const types = [...new Set(arms.map(({ nudge_type }) => nudge_type))];
  // Room for the label of the one that reaches furthest.
  const most = 1.35 * Math.max(0.05, ...drawn.map(({ high }) => high));
  return {
    vconcat: types.map((type, index) =>
      experiment(type, drawn.filter(({ nudge_type }) => nudge_type === type), {
        most,
        isLast: index === types.length - 1,
      })
    ),
    spacing: 12,
    config: style,
  };
}

type Part = Extract<TopLevelSpec, { vconcat: unknown }>["vconcat"][number];
type DrawnArm = ExperimentArm & { low: number; high: number; label: string };

function experiment(
  type: string,
  values: DrawnArm[],
  { most, isLast }: { most: number; isLast: boolean },
): Part {
  const colour = {
    condition: { test: "datum.variant === 'holdout'", value: QUIET },
    value: ACCENT,
  } as const;
  const scale = { domain: [0, most], nice: false };
  return {
    title: { text: type, anchor: "start", frame: "group", offset: 6 },
    data: { values },
    width: WIDTH - 100,
    height: { step: 24 },
    encoding: {
      y: {
        field: "variant",
        type: "nominal",
        axis: { title: null, ticks: false, ...room(70) },
      },
    },
    layer: [
      {
        mark: { type: "rule", strokeWidth: 2 },
        encoding: {
          x: {
            field: "low",
            type: "quantitative",
            scale,
            axis: {
              title: isLast ? "share of the nudges that led to what they were for" : null,
              labels: isLast,
              format: ".0%",
              labelExpr: "datum.value > 1 ? '' : datum.label",
            },
          },
          x2: { field: "high" },
          color: colour,
        },
      },
      {
        mark: { type: "point", filled: true, size: 90, opacity: 1 },
        encoding: { x: { field: "conversion_rate", type: "quantitative", scale }, color: colour },
      },
      {
        mark: { type: "text", align: "left", dx: 8 },
        encoding: {
          x: { field: "high", type: "quantitative", scale },
          text: { field: "label", type: "nominal" },
        },
      },
    ],
  };
}
