import { html, raw } from "hono/html";
import type { TopLevelSpec } from "vega-lite";
import { toSvg } from "../../svg.ts";
import type { Html } from "./html.ts";

/**
 * A chart in the page.
 *
 * @param id what a link or a test finds it by
 * @param about what it shows, for people who cannot see it
 */
export async function plot(id: string, about: string, spec: TopLevelSpec): Promise<Html> {
  // Vega escapes what it draws.
  const svg = raw(await toSvg(spec));
  return html`<figure id="${id}" role="img" aria-label="${about}">${svg}</figure>`;
}

/** What stands in a chart's place where there is nothing to draw. */
export function nothing(text: string): Html {
  return html`<p class="empty">${text}</p>`;
}
