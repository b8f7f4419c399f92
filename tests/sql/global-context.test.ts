import { afterAll, beforeAll, expect, test } from "vitest";
import { reactors } from "../../shared/domain/reactors/all.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { drain, event, publish } from "../support/flywheel.ts";

let base: TestDatabase;

beforeAll(async () => {
  base = await testDatabase();
  await base.admin`update flywheel.settings set linger = '0'`;
});
afterAll(() => base?.[Symbol.asyncDispose]());

test("what a dashboard says of everybody is of the last 30 days", async () => {
  const did = (user: string, event_type: string, daysAgo: number, payload = {}) =>
    event(user, {
      event_type,
      app_source: "aube",
      payload,
      timestamp: new Date(Date.now() - daysAgo * 86_400_000).toISOString(),
    });
  const newId = () => crypto.randomUUID();
  const [early, late, unsure] = [newId(), newId(), newId()];
  const [changer, talker] = [newId(), newId()];
  await publish(base.connect(), [
    // A job is told of where five have chosen it last, however they write it.
    ...["Designer UX", "designer UX", "Designer UX ", "DESIGNER UX"].flatMap((métier) => [
      did(newId(), "métier_choisi", 3, { métier }),
    ]),
    ...[1, 2, 3, 4].map(() => did(newId(), "métier_choisi", 2, { métier: "Menuisier" })),
    did(changer, "métier_choisi", 3, { métier: "Menuisier" }),
    did(changer, "métier_choisi", 2, { métier: "Coach" }),
    ...[1, 2, 3, 4, 5, 6].map((n) =>
      did(talker, "métier_choisi", n, { métier: "Appelez le 0899 000 000" })
    ),
    did(early, "exploration_commencée", 30),
    did(early, "métier_choisi", 30, { métier: "Coach" }),
    did(late, "exploration_commencée", 28),
    did(late, "métier_choisi", 27, { métier: "Designer UX" }),
    did(unsure, "exploration_commencée", 1),
  ]);
  await drain(base.connect(), reactors);
  const [row] = await base.admin`select flywheel.global_context() as context`;
  expect(row!.context).toEqual({
    utilisateurs_actifs: 2,
    taux_succès: 50,
    métiers_populaires: ["Designer UX"],
  });
});
