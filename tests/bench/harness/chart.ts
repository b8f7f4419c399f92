import { bench } from "./contender.ts";
import type { Measure } from "./measure.ts";

/**
 * Draws the rates as bars, ours beside the peers', and writes them as SVG. Vega-Lite draws, under the peers' Node.
 *
 * @throws Error with what the drawing program printed
 */
export async function drawChart(
  measures: readonly Measure[],
  file: string,
): Promise<void> {
  const child = new Deno.Command(bench("node_modules/.bin/node"), {
    args: [bench("harness/draw.mjs")],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(JSON.stringify(measures)));
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  if (!success) {
    throw new Error(`No chart: ${new TextDecoder().decode(stderr)}`);
  }
  await Deno.writeFile(file, stdout);
}
