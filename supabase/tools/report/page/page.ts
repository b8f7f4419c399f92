import { html, raw } from "hono/html";
import type { Figures } from "../figures.ts";
import { counted, moment } from "../format.ts";
import { keyFigures } from "../key-figures.ts";
import { aubeSection } from "./aube-section.ts";
import { eventsSection } from "./events-section.ts";
import { nudgesSection } from "./nudges-section.ts";
import { retentionSection } from "./retention-section.ts";
import { pageStyle } from "./style.ts";

/** Lets nothing in from outside, and no script run, whatever stood in the figures. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/**
 * The figures as an HTML page that needs nothing beside it.
 *
 * @param place where they were read
 */
export async function toPage(figures: Figures, place: string): Promise<string> {
  const { days, since, today, ecosystem } = figures;
  const sections = await Promise.all(
    [eventsSection, aubeSection, retentionSection, nudgesSection].map((each) => each(figures)),
  );
  const page = await html`
    <!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${POLICY}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>Phoenix, ${since} to ${today}</title>
        <style>${raw(pageStyle)}</style>
      </head>
      <body>
        <header>
          <h1>Phoenix</h1>
          <p>${counted(days, "UTC day")}, ${since} to ${today}</p>
          <p class="quiet">Read at ${moment(
            ecosystem.generated_at,
          )} from ${place}, with an analyst's rights.</p>
        </header>
        <main>
          <section>
            <h2>Key figures</h2>
            <dl class="tiles">${keyFigures(figures).map(({ name, value, about }) =>
              html`
                <div>
                  <dt>${name}</dt>
                  <dd class="value">${value}</dd>
                  <dd class="about">${about}</dd>
                </div>
              `
            )}
            </dl>
          </section>
          ${sections}
        </main>
        <footer class="quiet">
          <p>docs/analytics.md says how each figure is worked out. A dash stands where there is nothing to divide by.</p>
        </footer>
      </body>
    </html>
  `;
  return String(page);
}
