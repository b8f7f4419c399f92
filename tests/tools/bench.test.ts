import { expect, test } from "vitest";
import type { Suite } from "../bench/harness/bench.ts";
import { figure, median, percentile, ratio } from "../bench/harness/measure.ts";
import { readOptions, UsageError } from "../bench/harness/options.ts";
import { verdict } from "../bench/harness/table.ts";
import { tryTargets } from "../bench/harness/targets.ts";
import { benchReactors } from "../bench/reactors.ts";
import { suites } from "../bench/suites.ts";
import { reactors } from "../../shared/domain/reactors/all.ts";
import { tempFolder } from "../support/temp-folder.ts";

const suite = (name: string, ...measures: string[]): Suite => ({
  name,
  measures,
  measure: () => Promise.resolve([]),
});
const publish = suite("publish", "publish_vs_bare");
const drain = suite("drain", "drain_vs_graphile", "drain_http_vs_graphile");

function chosen(only: string) {
  const options = readOptions(["--only", only], [publish, drain]);
  return typeof options === "string" ? options : options.suites;
}

test("every promised measure has a suite", () => {
  expect(suites.flatMap(({ measures }) => measures)).toEqual(expect.arrayContaining([
    "publish_vs_bare",
    "publish_one_vs_emmett",
    "publish_twenty_vs_emmett",
    "drain_vs_graphile",
    "drain_http_vs_graphile",
    "history_cost",
    "volume_cost",
  ]));
});

test("every reactor's cost is measured by itself", () => {
  const { microseconds } = benchReactors();
  expect(Object.keys(microseconds)).toEqual([
    "catalogue_check",
    ...reactors.map(({ name }) => name),
    "whole_fold",
  ]);
});

test("a suite is chosen by its name or by one of its measures', once", () => {
  expect(chosen("drain")).toEqual([drain]);
  expect(chosen("drain_vs_graphile,drain_http_vs_graphile")).toEqual([drain]);
  expect(chosen("publish,drain")).toEqual([publish, drain]);
});

test("a name that means nothing and a number that is none are refused", () => {
  expect(() => chosen("publish,drian")).toThrow(new UsageError("There is no drian: see --list."));
  expect(() => readOptions(["--runs", "many"], [])).toThrow(UsageError);
  expect(() => readOptions(["--fast"], [])).toThrow(UsageError);
});

test("a file that cannot be written is refused before anything is measured, and none is left behind", async () => {
  await using folder = await tempFolder();
  const there = `${folder.path}/there.json`;
  await Deno.writeTextFile(there, "kept");
  await tryTargets({ json: there, chart: `${folder.path}/new.svg` });
  expect(await Deno.readTextFile(there)).toBe("kept");
  expect([...Deno.readDirSync(folder.path)].map(({ name }) => name)).toEqual(["there.json"]);
  const refused = expect.objectContaining({ message: expect.stringContaining("--chart") });
  for (const chart of [folder.path, `${folder.path}/missing/new.svg`]) {
    const attempt = tryTargets({ json: undefined, chart });
    await expect(attempt).rejects.toBeInstanceOf(UsageError);
    await expect(attempt).rejects.toEqual(refused);
  }
});

test("a median lies in the middle, a percentile in proportion between its neighbours", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
  expect(percentile([10, 20, 30, 40, 50], 0.95)).toBeCloseTo(48);
});

test("a figure keeps its promise from the promised value on, whichever way is better", () => {
  const promise = { reach: 3, aim: 8 };
  expect([2.9, 3, 8].map((value) => verdict(ratio("rate", value, "higher", promise)))).toEqual([
    "missed",
    "reached",
    "aim",
  ]);
  const limit = { reach: 1.2, aim: 1.05 };
  expect([1.21, 1.2, 1.05].map((value) => verdict(ratio("cost", value, "lower", limit)))).toEqual([
    "missed",
    "reached",
    "aim",
  ]);
  expect(verdict(figure("told", 1, "s", "lower"))).toBe("");
});
