import postgres from "postgres";
import type { Stack } from "../stack.ts";
import { ReceivingApp } from "./receiving-app.ts";
import { expect, type Timeline, until } from "./timeline.ts";
import { Visitor } from "./visitor.ts";

interface Dashboard {
  utilisateur: { statut_parcours: string; progression: number };
  prochaines_actions: string[];
}

interface Transition {
  transition_id: string;
  target_app: string;
  status: string;
}

const steps: [hour: string, event_type: string, payload: object, text: string][] = [
  ["09:00", "exploration_commencée", {}, "Léa opens Phoenix Aube."],
  [
    "09:12",
    "valeurs_explorées",
    { valeurs: ["Recherche sens", "Autonomie"] },
    "She names her values.",
  ],
  [
    "09:25",
    "compétences_révélées",
    { compétences: ["Python", "Analyse données", "Communication"] },
    "She finds out what she can do.",
  ],
  [
    "09:40",
    "tests_psychométriques_complétés",
    { big_five: { openness: 0.8, conscientiousness: 0.9 }, riasec: ["Investigative", "Realistic"] },
    "She takes the tests.",
  ],
  [
    "09:45",
    "recommandations_générées",
    { recommandations: ["Data Scientist", "Coach"] },
    "Aube recommends jobs.",
  ],
  [
    "09:50",
    "validation_ia_effectuée",
    { score_ia_résistance: 0.72 },
    "Aube looks how they resist AI.",
  ],
  [
    "10:00",
    "métier_choisi",
    { métier: "Data Scientist", score_compatibilité: 0.87, score_ia_résistance: 0.72 },
    "She chooses: Data Scientist.",
  ],
];

/** An Aube journey up to the chosen job, handed over to three apps: one takes it, one does not, one thinks about it. */
export async function playJourney(stack: Stack, timeline: Timeline): Promise<void> {
  timeline.chapter("Un parcours Aube, du premier pas au métier choisi");
  const apps = [
    new ReceivingApp("cv", { status: "accepted" }),
    new ReceivingApp("letters", { status: "rejected", reason: "pas encore de CV" }),
    new ReceivingApp("rise"),
  ];
  try {
    await configure(stack, apps);
    await playSteps(stack, timeline, apps);
  } finally {
    await Promise.all(apps.map((app) => app.stop()));
  }
}

/** What an operator does once: where each app wants its deliveries. */
async function configure(stack: Stack, apps: readonly ReceivingApp[]): Promise<void> {
  const sql = postgres(stack.env.DB_URL, { max: 1, onnotice: () => {} });
  for (const app of apps) {
    const [row] = await sql<
      { secret: string }[]
    >`select flywheel.configure_app(${app.name}, ${app.url}) as secret`;
    app.secret = row!.secret;
  }
  await sql.end();
}

async function playSteps(
  stack: Stack,
  timeline: Timeline,
  apps: readonly ReceivingApp[],
): Promise<void> {
  const lea = await Visitor.signUp(stack.env, "lea");
  const dashboard = () => lea.call<Dashboard>(`user/${lea.userId}/dashboard`, "GET");

  for (const [hour, event_type, payload, text] of steps.slice(0, -1)) {
    timeline.moment(hour, text);
    await lea.publish({ event_type, app_source: "aube", payload });
    timeline.seen(event_type);
  }
  const { answer: before } = await until(async () => {
    const seen = await dashboard().catch(() => undefined);
    return seen?.utilisateur.statut_parcours === "exploration_commencée" ? undefined : seen;
  }, "her dashboard shows the journey");
  showDashboard(timeline, "Her dashboard", before);

  const [hour, event_type, payload, text] = steps.at(-1)!;
  timeline.moment(hour, text);
  const startedAt = performance.now();
  await lea.publish({ event_type, app_source: "aube", payload });
  await until(
    () => Promise.resolve(apps.every(({ deliveries }) => deliveries.length > 0) || undefined),
    "each app has been told",
  );
  timeline.seen(`three apps told, signed, after ${Math.round(performance.now() - startedAt)} ms:`);
  for (const { name, deliveries: [delivery] } of apps) {
    expect(delivery?.user_id === lea.userId, `${name} was told about Léa`);
    timeline.seen(`${name.padEnd(8)} ${Object.keys(delivery.context).join(", ")}`);
  }

  const { answer: transitions } = await until(async () => {
    const list = await lea.call<{ transitions: Transition[] }>("transitions", "GET");
    const settled = list.transitions.filter(({ status }) => status !== "requested");
    return settled.length === apps.length ? settled : undefined;
  }, "each app has answered");
  timeline.moment("10:01", "The apps answer.");
  for (const { target_app, status } of transitions) {
    timeline.seen(`${target_app.padEnd(8)} ${status}`);
  }
  const statusOf = (app: string) =>
    transitions.find(({ target_app }) => target_app === app)?.status;
  expect(
    statusOf("cv") === "accepted" && statusOf("letters") === "rejected",
    "one accepts and one rejects",
  );
  timeline.proved("every app knows what Aube knows; one takes her over, one does not");

  const { answer: nudge } = await until(
    async () => (await lea.nudges()).find(({ nudge_type }) => nudge_type === "aube_to_letters"),
    "she is still invited to the app that declined",
  );
  timeline.moment(
    "10:02",
    "Letters declined: it is left to her to go there, and an invitation says so.",
  );
  timeline.screen(nudge.title, [nudge.message, `[ ${nudge.cta_label} ]`]);
  const { answer: after } = await until(async () => {
    const seen = await dashboard();
    return seen.utilisateur.statut_parcours === "transition_écosystème" ? seen : undefined;
  }, "her dashboard knows that CV has taken her over");
  showDashboard(timeline, "Her dashboard now", after);
}

function showDashboard(
  timeline: Timeline,
  title: string,
  { utilisateur, prochaines_actions }: Dashboard,
): void {
  timeline.screen(title, [
    `${utilisateur.statut_parcours}, ${utilisateur.progression} %`,
    ...prochaines_actions.map((action) => `· ${action}`),
  ]);
}
