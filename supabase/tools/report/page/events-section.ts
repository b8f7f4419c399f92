import { html } from "hono/html";
import { appOrder } from "../apps.ts";
import { dailyEvents } from "../charts/daily-events.ts";
import type { Figures } from "../figures.ts";
import { number } from "../format.ts";
import type { Html } from "./html.ts";
import { nothing, plot } from "./plot.ts";
import { table } from "./table.ts";

/** How much happens, day by day, app by app and of what type. */
export async function eventsSection(figures: Figures): Promise<Html> {
  const { app_breakdown, top_events } = figures.ecosystem;
  const sizes = new Map(Object.entries(app_breakdown).map(([app, { events }]) => [app, events]));
  return html`
    <section>
      <h2>Events a day, by app</h2>
      <p class="quiet">
        Every event counts on the UTC day on which it happened, late ones too, once the flywheel has handled it.
        App flywheel tells what the flywheel did itself.
      </p>
      ${figures.daily.length === 0
        ? nothing("No event happened in this period.")
        : await plot("daily-events", "Events a day, by app", dailyEvents(figures))}
      <div class="tables">
        ${table("Apps", appOrder(sizes, Infinity), [
          { title: "app", cell: (app) => app },
          { title: "events", numeric: true, cell: (app) => number(app_breakdown[app]!.events) },
          { title: "users", numeric: true, cell: (app) => number(app_breakdown[app]!.users) },
        ])}
        ${table(
          "The commonest events",
          Object.entries(top_events).sort(([a, x], [b, y]) => y - x || a.localeCompare(b)),
          [
            { title: "type", cell: ([type]) => type },
            { title: "events", numeric: true, cell: ([, events]) => number(events) },
          ],
        )}
      </div>
    </section>
  `;
}
