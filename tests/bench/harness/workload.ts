/**
 * What every contender publishes: the events of a day in the Phoenix apps. No packages, so that Node runs it as Deno does.
 */

/** An event as an app publishes it, with an idempotency key and a time of its own. */
export interface PublishedEvent {
  event_id: string;
  user_id: string;
  event_type: string;
  app_source: string;
  payload: Record<string, unknown>;
  timestamp: string;
}

type Kind = readonly [
  event_type: string,
  app: string,
  payload: (n: number) => PublishedEvent["payload"],
];

const kinds: readonly Kind[] = [
  ["user.login", "website", () => ({ method: "email_password" })],
  ["cv.uploaded", "cv", (n) => ({
    cv_id: `cv-${n}`,
    filename: "cv.pdf",
    size_bytes: 200_000 + n % 100_000,
    skills: ["Python", "SQL", "Gestion de projet"],
  })],
  ["ats_score.calculated", "cv", (n) => ({
    cv_id: `cv-${n}`,
    ats_score: n % 101,
    job_title: "Data Scientist",
    missing_keywords: ["Kubernetes", "MLflow"],
  })],
  ["cv.optimized", "cv", (n) => ({
    cv_id: `cv-${n}`,
    ats_score_before: 40 + n % 30,
    ats_score_after: 70 + n % 30,
    improvements: ["mots-clés", "mise en page"],
  })],
  ["job_offer.analyzed", "letters", (n) => ({
    job_offer_id: `offer-${n}`,
    job_title: "Data Scientist",
    company: "Société Générale d'Exemples",
    match_score: n % 100 / 100,
    keywords_extracted: ["Python", "statistiques", "communication"],
  })],
  ["letter.generated", "letters", (n) => ({
    letter_id: `letter-${n}`,
    job_title: "Data Scientist",
    company: "Société Générale d'Exemples",
    personalization_score: n % 100 / 100,
    word_count: 250 + n % 150,
  })],
  ["mood.logged", "rise", (n) => ({
    mood_score: 1 + n % 10,
    anxiety_level: n % 10 / 10,
    mood_tags: ["motivé"],
  })],
  ["goal.set", "rise", (n) => ({ goal_id: `goal-${n}`, goal: "Postuler à trois offres" })],
  ["compétences_révélées", "aube", (n) => ({
    parcours_id: `parcours-${n}`,
    compétences: ["communication", "analyse", "Python"],
    durée_minutes: 5 + n % 20,
  })],
  ["recommandations_générées", "aube", (n) => ({
    parcours_id: `parcours-${n}`,
    recommandations_count: 3,
    top_métier: "Data Scientist",
    durée_minutes: 1 + n % 5,
  })],
];

/** Ids of as many new users. */
export function newUsers(count: number): string[] {
  return Array.from({ length: count }, () => crypto.randomUUID());
}

/** Events of users taken at random, a second apart, the last one now. */
export function newEvents(count: number, users: readonly string[]): PublishedEvent[] {
  const start = Date.now() - count * 1000;
  return Array.from(
    { length: count },
    (_, n) => newEvent(users[Math.floor(Math.random() * users.length)]!, n, start + n * 1000),
  );
}

/** The same number of events for each user, user by user. */
export function newStreams(each: number, users: readonly string[]): PublishedEvent[][] {
  const start = Date.now() - each * users.length * 1000;
  return users.map((user, u) =>
    Array.from({ length: each }, (_, e) => {
      const n = u * each + e;
      return newEvent(user, n, start + n * 1000);
    })
  );
}

function newEvent(user_id: string, n: number, at: number): PublishedEvent {
  const [event_type, app_source, payload] = kinds[Math.floor(Math.random() * kinds.length)]!;
  return {
    event_id: crypto.randomUUID(),
    user_id,
    event_type,
    app_source,
    payload: payload(n),
    timestamp: new Date(at).toISOString(),
  };
}

/** Cuts a list into lists of a size. */
export function batches<Item>(items: readonly Item[], size: number): Item[][] {
  return Array.from(
    { length: Math.ceil(items.length / size) },
    (_, batch) => items.slice(batch * size, (batch + 1) * size),
  );
}
