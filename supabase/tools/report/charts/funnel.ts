import type { TopLevelSpec } from "vega-lite";
import type { FunnelStep } from "../figures.ts";
import { number, percent } from "../format.ts";
import { ACCENT, style, WIDTH } from "./style.ts";

/** Who reached each step, as bars; given the steps of all weeks together. */
export function funnel(steps: readonly FunnelStep[]): TopLevelSpec {
  const values = steps.map(({ step, event_type, users, conversion }) => ({
    step: `${step}  ${event_type}`,
    users,
    label: conversion === null ? number(users) : `${number(users)}  (${percent(conversion)})`,
  }));
  const most = Math.max(1, ...steps.map(({ users }) => users));
  return {
    data: { values },
    // Without a browser labels are taken to be wider than they are.
    width: WIDTH - 350,
    height: { step: 30 },
    encoding: {
      y: {
        field: "step",
        type: "nominal",
        sort: null,
        axis: { title: null, ticks: false },
      },
      x: {
        field: "users",
        type: "quantitative",
        // Room for the longest bar's label.
        scale: { domain: [0, most * 1.25], nice: false },
        axis: {
          title: "users (share of the step before)",
          tickMinStep: 1,
          format: ",d",
        },
      },
    },
    layer: [
      { mark: { type: "bar", color: ACCENT, cornerRadiusEnd: 2 } },
      {
        mark: { type: "text", align: "left", dx: 6 },
        encoding: { text: { field: "label", type: "nominal" } },
      },
    ],
    config: style,
  };
}
