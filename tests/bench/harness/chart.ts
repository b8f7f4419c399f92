import type { TopLevelSpec } from "vega-lite";
import { toSvg } from "../../../supabase/tools/svg.ts";
import type { Measure } from "./measure.ts";

/** What is drawn: a title, and the rates beside each other, each with whose it is. */
const groups: [title: string, bars: [measure: string, who: string][]][] = [
  ["Publishing in batches of 500, 4 connections", [
    ["publish_rate", "Phoenix"],
    ["bare_insert_rate", "a bare insert"],
  ]],
  ["Publishing one event a call", [
    ["publish_one_rate", "Phoenix"],
    ["emmett_append_one_rate", "Emmett"],
  ]],
  ["Publishing twenty events a call", [
    ["publish_twenty_rate", "Phoenix"],
    ["emmett_append_twenty_rate", "Emmett"],
  ]],
  [
    "Working off a backlog: Phoenix with every reactor, the queues with an empty task",
    [
      ["drain_rate", "Phoenix"],
      ["drain_http_rate", "Phoenix over HTTP"],
      ["graphile_worker_drain_rate", "graphile-worker"],
      ["pg_boss_drain_rate", "pg-boss"],
    ],
  ],
];

type Parts = Extract<TopLevelSpec, { vconcat: unknown }>["vconcat"];

/** Draws the rates as bars, ours beside the peers', and writes them as SVG. */
export async function drawChart(
  measures: readonly Measure[],
  file: string,
): Promise<void> {
  const svg = await toSvg({
    title: { text: "Events a second", anchor: "start", fontSize: 14 },
    background: "white",
    padding: 12,
    spacing: 16,
    vconcat: groups.flatMap(([title, bars]) => chart(title, bars, measures)),
    config: {
      font: "system-ui, sans-serif",
      view: { stroke: null },
      title: { anchor: "start", fontSize: 12 },
      axisY: { minExtent: 140, maxExtent: 140, domain: false, ticks: false },
    },
  });
  await Deno.writeTextFile(file, `${svg}\n`);
}

function chart(
  title: string,
  bars: [string, string][],
  measures: readonly Measure[],
): Parts {
  const values = bars.flatMap(([name, who]) => {
    const measure = measures.find((each) => each.name === name);
    return measure ? [{ who, rate: measure.value, ours: who.startsWith("Phoenix") }] : [];
  });
  if (values.length === 0) return [];
  return [{
    title,
    width: 460,
    height: { step: 22 },
    data: { values },
    encoding: {
      y: { field: "who", type: "nominal", sort: null, title: null },
      x: { field: "rate", type: "quantitative", title: null, axis: null },
    },
    layer: [
      {
        mark: { type: "bar", cornerRadiusEnd: 2 },
        encoding: {
          color: {
            field: "ours",
            scale: { domain: [true, false], range: ["#e8590c", "#adb5bd"] },
            legend: null,
          },
        },
      },
      {
        mark: { type: "text", align: "left", dx: 5 },
        encoding: {
          text: { field: "rate", type: "quantitative", format: ",.0f" },
        },
      },
    ],
  }];
}
