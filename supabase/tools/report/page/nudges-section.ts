import { html } from "hono/html";
import { experiments } from "../charts/experiments.ts";
import type { Figures } from "../figures.ts";
import { lastDays, number, percent, points, probability } from "../format.ts";
import type { Html } from "./html.ts";
import { nothing, plot } from "./plot.ts";
import { table } from "./table.ts";

/** What the nudges bring, and who is left to nudge. */
export async function nudgesSection(figures: Figures): Promise<Html> {
  const { experiments: arms, opportunities, days } = figures;
  return html`
    <section>
      <h2>Nudge experiments</h2>
      <p class="quiet">
        Nudges sent ${days === 1 ? "" : "in "}${lastDays(
          days,
        )}, by wording, beside the holdout, whose users are not nudged. A
        nudge has led to what it was for when its user clicked and acted within 7 days; in the holdout when they acted
        within 7 days. Lines are 95% intervals (Wilson). The uplift understates: who acts without a click counts in the
        holdout alone. Read nothing into a p-value below five conversions an arm, and look once.
      </p>
      ${arms.length === 0
        ? nothing("No nudge was sent in this period.")
        : await plot("experiments", "Conversion of each nudge's wordings", experiments(arms))}
      <div class="tables">
        ${table(
          "p: how likely a difference of that size is where the nudge changes nothing",
          arms,
          [
            { title: "nudge", cell: ({ nudge_type }) => nudge_type },
            { title: "wording", cell: ({ variant }) => variant },
            { title: "sent", numeric: true, cell: ({ sent }) => number(sent) },
            { title: "shown", numeric: true, cell: ({ shown }) => number(shown) },
            { title: "clicked", numeric: true, cell: ({ clicked }) => number(clicked) },
            { title: "converted", numeric: true, cell: ({ converted }) => number(converted) },
            { title: "rate", numeric: true, cell: (arm) => percent(arm.conversion_rate) },
            { title: "over holdout", numeric: true, cell: (arm) => points(arm.uplift_vs_holdout) },
            { title: "p", numeric: true, cell: ({ p_value }) => probability(p_value) },
          ],
        )}
        ${table("Users who would be nudged by what they did, and have not been", opportunities, [
          { title: "nudge", cell: ({ nudge_type }) => nudge_type },
          { title: "users", numeric: true, cell: ({ users }) => number(users) },
        ])}
      </div>
    </section>
  `;
}
