import type { Config } from "vega-lite";

/** How wide a chart may be, axes and labels included: the page's column. */
export const WIDTH = 860;

/** The colour of what is counted, and its shades. */
export const ACCENT = "#e8590c";
export const QUIET = "#868e96";

const INK = "#343a40";

/** What all charts have in common. */
export const style: Config = {
  background: "white",
  font: "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif",
  padding: 4,
  view: { stroke: null },
  axis: {
    domainColor: "#adb5bd",
    gridColor: "#e9ecef",
    labelColor: INK,
    labelFontSize: 12,
    labelLimit: 0,
    labelPadding: 6,
    tickColor: "#adb5bd",
    titleColor: INK,
    titleFontSize: 12,
    titleFontWeight: "normal",
    titlePadding: 10,
  },
  legend: { labelColor: INK, labelFontSize: 12, symbolType: "square", title: null },
  header: { labelColor: INK, labelFontSize: 12, titleColor: INK },
  title: { color: INK, fontSize: 12 },
  text: { color: INK, fontSize: 12 },
};

/** Keeps so much room beside a vertical axis, whose labels could otherwise only be guessed at without a browser. */
export function room(pixels: number): { minExtent: number; maxExtent: number } {
  return { minExtent: pixels, maxExtent: pixels };
}
