import { beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { minute } from "../../shared/domain/duration.ts";
import { eventually } from "../support/eventually.ts";
import { functionsOf, publicationOf, refusalOf } from "../support/functions.ts";
import { testStack, type TestUser } from "../support/stack.ts";

const stack = testStack();
const call = functionsOf(stack.env);

const minutes = z.number().min(0);
const journeySchema = z.strictObject({
  progression: z.strictObject({
    étapes_complétées: z.array(z.string()),
    temps_par_étape: z.record(z.string(), minutes),
    points_de_sortie: z.array(z.string()),
    blocages_identifiés: z.array(z.string()),
  }),
  durée_totale_minutes: minutes,
  statut_actuel: z.string(),
  recommandations_ux: z.array(z.string()).min(1),
});
const dashboardSchema = z.strictObject({
  utilisateur: z.strictObject({
    user_id: z.guid(),
    statut_parcours: z.string(),
    progression: z.int().min(0).max(100),
    temps_investi: minutes,
  }),
  contexte_global: z.strictObject({
    utilisateurs_actifs: z.int().min(0),
    taux_succès: z.number().min(0).max(100),
    métiers_populaires: z.array(z.string()),
  }),
  prochaines_actions: z.array(z.string()).min(1),
});

async function journeyOf(user: TestUser, as: TestUser | "secret" = user) {
  const answer = await call("GET", `user/${user.user_id}/journey`, { as });
  expect(answer.status, answer.text).toBe(200);
  return journeySchema.parse(answer.body);
}

async function dashboardOf(user: TestUser, as: TestUser | "secret" = user) {
  const answer = await call("GET", `user/${user.user_id}/dashboard`, { as });
  expect(answer.status, answer.text).toBe(200);
  return dashboardSchema.parse(answer.body);
}

const startedAt = Date.now() - 50 * minute;

/** Steps with Aube, each so many minutes after the first. */
async function walk(user: TestUser, ...steps: [step: string, at: number, data?: object][]) {
  const json = {
    events: steps.map(([event_type, at, data = {}]) => ({
      event_type,
      source_app: "phoenix_aube",
      data,
      timestamp: new Date(startedAt + at * minute).toISOString(),
    })),
  };
  publicationOf(await call("POST", "events", { as: user, json }));
}

let user: TestUser;

beforeAll(async () => {
  user = await stack.signUp();
  await walk(
    user,
    ["exploration_commencée", 0],
    ["valeurs_explorées", 12.5],
    ["recommandations_générées", 45.2, { durée_minutes: 8.2 }],
  );
  await eventually(async () => (await journeyOf(user)).statut_actuel === "recommandations_reçues");
});

describe("GET user/{user_id}/journey", () => {
  test("tells a journey as Aube's document does", async () => {
    const expected = {
      progression: {
        étapes_complétées: [
          "exploration_commencée",
          "valeurs_explorées",
          "recommandations_générées",
        ],
        temps_par_étape: { valeurs_explorées: 12.5, recommandations_générées: 8.2 },
        points_de_sortie: [],
        blocages_identifiés: ["valeurs_explorées"],
      },
      durée_totale_minutes: 45.2,
      statut_actuel: "recommandations_reçues",
      recommandations_ux: ["Optimiser durée étapes longues"],
    };
    expect(await journeyOf(user)).toEqual(expected);
    expect(await journeyOf(user, "secret")).toEqual(expected);
  });

  test("knows a user who has just signed up", async () => {
    expect(await journeyOf(await stack.signUp())).toMatchObject({
      progression: { étapes_complétées: [] },
      statut_actuel: "non_commencé",
    });
  });

  test.each([
    ["other reactors", () => "journey@0"],
    ["one reactor of another version", (shape: string) => shape.replace(/(?<=journey@)\d+/, "0")],
  ])("is rebuilt, and says so, where %s remembered the user", async (_, shapeFrom) => {
    const other = await stack.signUp();
    await walk(other, ["exploration_commencée", 0], ["valeurs_explorées", 1]);
    await eventually(async () => (await journeyOf(other)).statut_actuel === "valeurs_explorées");
    const sql = stack.adminSql({ max: 1 });
    const [{ shape } = {}] = await sql<{ shape: string }[]>`
      select shape from flywheel.states where user_id = ${other.user_id}
    `;
    const changed = shapeFrom(shape!);
    expect(changed).not.toBe(shape);
    await sql`update flywheel.states set shape = ${changed} where user_id = ${other.user_id}`;
    await sql.end();

    const answer = await call("GET", `user/${other.user_id}/journey`, { as: other });
    expect(refusalOf(answer)).toMatchObject({ status: 503, code: "being_rebuilt" });
    expect(answer.headers.get("retry-after")).toBe("2");
    await eventually(async () => (await journeyOf(other)).statut_actuel === "valeurs_explorées");
  });
});

describe("GET user/{user_id}/dashboard", () => {
  test("shows where the user is and what comes next", async () => {
    expect(await dashboardOf(user)).toMatchObject({
      utilisateur: {
        user_id: user.user_id,
        statut_parcours: "recommandations_reçues",
        progression: 57,
        temps_investi: 45.2,
      },
      prochaines_actions: [
        "Vérifier la résistance à l'IA de vos métiers avec Phoenix Aube",
      ],
    });
  });

  test("is the one of Aube's document once a job is chosen, and follows what the user does", async () => {
    const chooser = await stack.signUp();
    await walk(
      chooser,
      ["exploration_commencée", 0],
      ["métier_choisi", 45.2, { métier: "Data Scientist", score_compatibilité: 0.87 }],
    );
    const after = (progression: number, ...actions: string[]) =>
      eventually(async () => {
        const dashboard = await dashboardOf(chooser);
        expect(dashboard).toMatchObject({
          utilisateur: { progression, temps_investi: 45.2 },
          prochaines_actions: actions,
        });
        return dashboard;
      });
    const { utilisateur, contexte_global } = await after(
      85,
      "Créer votre CV avec Phoenix CV",
      "Rédiger lettres motivation avec Phoenix Letters",
    );
    expect(utilisateur.statut_parcours).toBe("métier_choisi");
    expect(Object.keys(contexte_global)).toEqual([
      "utilisateurs_actifs",
      "taux_succès",
      "métiers_populaires",
    ]);

    const publish = async (event_type: string, app_source: string) =>
      publicationOf(
        await call("POST", "events", { as: chooser, json: { event_type, app_source } }),
      );
    await publish("cv.generated", "cv");
    await after(85, "Rédiger lettres motivation avec Phoenix Letters");
    await publish("letter.generated", "letters");
    await after(85, "Préparer la suite en confiance avec Phoenix Rise");
    await publish("goal.set", "rise");
    await after(85, "Suivre vos progrès avec Phoenix Rise");
  });

  test("invites a user who has just signed up", async () => {
    expect(await dashboardOf(await stack.signUp())).toMatchObject({
      utilisateur: { statut_parcours: "non_commencé", progression: 0, temps_investi: 0 },
      prochaines_actions: ["Commencer votre exploration avec Phoenix Aube"],
    });
  });

  const { UPSTASH_REDIS_REST_URL, UPSTASH_REDIS_REST_TOKEN } = stack.env;
  test.skipIf(!UPSTASH_REDIS_REST_URL)("keeps what it says of everybody for a minute", async () => {
    // What an earlier dashboard left may be gone in the moment in between.
    const left = await eventually(async () => {
      await dashboardOf(user);
      const response = await fetch(UPSTASH_REDIS_REST_URL, {
        method: "POST",
        headers: { authorization: `Bearer ${UPSTASH_REDIS_REST_TOKEN}` },
        body: JSON.stringify(["pttl", "phoenix:cache:dashboard:global-context"]),
      });
      const { result } = z.object({ result: z.number() }).parse(await response.json());
      return result > 0 ? result : undefined;
    });
    expect(left).toBeLessThanOrEqual(60_000);
  });
});

describe.each(["journey", "dashboard"])("A user's %s", (page) => {
  test("is nobody else's", async () => {
    const stranger = await stack.signUp();
    for (const id of [user.user_id, crypto.randomUUID(), "user_12345"]) {
      const answer = await call("GET", `user/${id}/${page}`, { as: stranger });
      expect(refusalOf(answer)).toMatchObject({ status: 403, code: "forbidden" });
    }
    expect(refusalOf(await call("GET", `user/${user.user_id}/${page}`)))
      .toMatchObject({ status: 401 });
  });

  test("is found however the id is written", async () => {
    const answer = await call("GET", `user/${user.user_id.toUpperCase()}/${page}`, { as: user });
    expect(answer.status).toBe(200);
  });

  test("is not there where nobody knows the user", async () => {
    for (const id of [crypto.randomUUID(), "user_12345", "%00"]) {
      const answer = await call("GET", `user/${id}/${page}`, { as: "secret" });
      expect(refusalOf(answer)).toMatchObject({ status: 404, code: "user_not_found" });
    }
  });
});
