import { html } from "hono/html";
import { appOrder } from "../apps.ts";
import { retention, retentionByApp } from "../charts/retention.ts";
import { cohortsOf } from "../cohorts.ts";
import type { Figures } from "../figures.ts";
import { lastWeeks } from "../format.ts";
import type { Html } from "./html.ts";
import { nothing, plot } from "./plot.ts";

/** How many apps are drawn beside each other. */
const MOST_APPS = 6;

/** Who comes back, across all apps and in each. */
export async function retentionSection(figures: Figures): Promise<Html> {
  const { weeks, today } = figures;
  const everywhere = cohortsOf(figures.retention, null, today);
  const apps = largestApps(figures).map((app) => ({
    app,
    cohorts: cohortsOf(figures.retention, app, today),
  }));
  return html`
    <section>
      <h2>Retention by week</h2>
      <p class="quiet">
        Users whose first event ever happened in ${lastWeeks(
          weeks,
        )}, and what share of them had any event in each week
        after. The last cell of a row is this week, which is not over. What the flywheel tells is no presence.
      </p>
      ${everywhere.length === 0 ? nothing("Nobody came for the first time in these weeks.") : html`
        ${await plot("retention", "Retention across all apps, by week", retention(everywhere))}
        <h3>In each app</h3>
        <p class="quiet">
          The same by the first week in that app${apps.length === MOST_APPS
            ? `, for the ${MOST_APPS} apps that the most users came to`
            : ""}.
        </p>
        ${await plot("retention-by-app", "Retention in each app, by week", retentionByApp(apps))}
      `}
    </section>
  `;
}

function largestApps({ retention }: Figures): string[] {
  const users = new Map<string, number>();
  for (const row of retention) {
    if (row.app_source === null || row.weeks_later > 0) continue;
    users.set(row.app_source, (users.get(row.app_source) ?? 0) + row.users);
  }
  const largest = [...users].sort(([, a], [, b]) => b - a).slice(0, MOST_APPS);
  return appOrder(new Map(largest));
}
