/** Reads measures as JSON on standard input and prints a chart of the rates as SVG. */
import process from "node:process";
import { json } from "node:stream/consumers";
import { parse, View } from "vega";
import { compile } from "vega-lite";

const groups = [
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

const measures = await json(process.stdin);

function chart([title, bars]) {
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
        encoding: { text: { field: "rate", type: "quantitative", format: ",.0f" } },
      },
    ],
  }];
}

const spec = {
  $schema: "https://vega.github.io/schema/vega-lite/v6.json",
  title: { text: "Events a second", anchor: "start", fontSize: 14 },
  background: "white",
  padding: 12,
  spacing: 16,
  vconcat: groups.flatMap(chart),
  config: {
    font: "system-ui, sans-serif",
    view: { stroke: null },
    title: { anchor: "start", fontSize: 12 },
    axisY: { minExtent: 140, maxExtent: 140, domain: false, ticks: false },
  },
};

const view = new View(parse(compile(spec).spec), { renderer: "none" });
process.stdout.write(`${await view.toSVG()}\n`);
