import type { Event } from "./flywheel.ts";

/** The page for analysts, with the example that it works its figures out from. */
const page = await Deno.readTextFile(new URL("../../docs/analytics.md", import.meta.url));

const DAY = 86_400_000;

/** The events of the page's example, in the order of its table. */
export function exampleEvents(now = Date.now()): (Event & { app_source: string })[] {
  const rows = [...page.matchAll(/^\| (\p{L}+) +\| (\d+) +\| (\d\d):(\d\d) +\|(.*)\|$/gmu)];
  const names = [...new Set(rows.map(([, name]) => name!))];
  const today = Math.floor(now / DAY) * DAY;
  return rows.map(([, name, daysAgo, hour, minute, rest]) => {
    const [app_source, event_type, payload] = rest!.split("|").map((cell) =>
      cell.trim().replaceAll("`", "")
    );
    return {
      user_id: `00000000-0000-4000-8000-${String(names.indexOf(name!) + 1).padStart(12, "0")}`,
      app_source: app_source!,
      event_type,
      payload: JSON.parse(payload || "{}"),
      timestamp: new Date(
        today - Number(daysAgo) * DAY + (Number(hour) * 60 + Number(minute)) * 60_000,
      ).toISOString(),
    };
  });
}

/** The page's queries that have an answer below them. */
export const answeredQueries: { query: string; answer: unknown }[] = [
  ...page.matchAll(/```sql\n([^`]+);\n```\n\n```json\n([^`]+)```/g),
].map(([, query, answer]) => ({ query: query!, answer: JSON.parse(answer!) }));

/** The queries that the page begins with. */
export const firstQueries: string[] = /Three queries[^`]*```sql\n([^`]+)```/.exec(page)![1]!
  .split(";").map((query) => query.trim()).filter(Boolean);
