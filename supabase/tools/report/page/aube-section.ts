import { html } from "hono/html";
import { funnel } from "../charts/funnel.ts";
import type { Figures } from "../figures.ts";
import { fixed, lastDays, lastWeeks, number, percent } from "../format.ts";
import type { Html } from "./html.ts";
import { nothing, plot } from "./plot.ts";
import { table } from "./table.ts";

/** How far users come in Aube, and what they choose. */
export async function aubeSection({ funnel: steps, weeks, days, aube }: Figures): Promise<Html> {
  const together = steps.filter(({ cohort_week }) => cohort_week === null);
  return html`
    <section>
      <h2>Aube: from exploration to transition</h2>
      <p class="quiet">
        Users whose first exploration began in ${lastWeeks(
          weeks,
        )}, and the steps that each has reached since. A
        transition counts once it is taken.
      </p>
      ${together.length === 0
        ? nothing("No exploration began in these weeks.")
        : await plot("funnel", "Users who reached each step of Aube", funnel(together))}
      <div class="tables">
        ${table(
          "Minutes are from the step that a user reached before; exits reached nothing after.",
          together,
          [
            { title: "step", cell: ({ step, event_type }) => `${step}  ${event_type}` },
            { title: "users", numeric: true, cell: ({ users }) => number(users) },
            {
              title: "of the step before",
              numeric: true,
              cell: ({ conversion }) => percent(conversion),
            },
            { title: "median minutes", numeric: true, cell: (row) => fixed(row.median_minutes, 1) },
            { title: "90th percentile", numeric: true, cell: (row) => fixed(row.p90_minutes, 1) },
            { title: "exits", numeric: true, cell: ({ exits }) => number(exits) },
          ],
        )}
        ${table(
          `Jobs chosen most often, ${lastDays(days)}`,
          aube.métiers_populaires.map((job, index) => ({ job, place: index + 1 })),
          [
            { title: "", numeric: true, cell: ({ place }) => String(place) },
            { title: "job", cell: ({ job }) => job },
          ],
        )}
      </div>
    </section>
  `;
}
