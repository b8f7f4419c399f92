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
  ["user.login", "website", (n) => ({ method: "email_password", device_id: `device-${n}` })],
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
    entry_id: `mood-${n}`,
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

/** What a contender warms up with: a tenth of the events and users that it is measured with, and a user a client at least. */
export function warmUpOf(
  { events, users, clients }: { events: number; users: number; clients: number },
): { events: number; users: number } {
  return { events: Math.ceil(events / 10), users: Math.max(clients, Math.ceil(users / 10)) };
}

/** When events happened, in milliseconds since 1970. */
export interface Period {
  from: number;
  to: number;
}

const hour = 3_600_000;

/** A period of so many hours that ended so many hours ago. */
export function hoursAgo(from: number, to = 0): Period {
  const now = Date.now();
  return { from: now - from * hour, to: now - to * hour };
}

/** Events of users taken at random, evenly over a period, in order. */
export function newEvents(
  count: number,
  users: readonly string[],
  { from, to }: Period = hoursAgo(24),
): PublishedEvent[] {
  const step = (to - from) / count;
  return Array.from(
    { length: count },
    (_, n) => newEvent(users[Math.floor(Math.random() * users.length)]!, from + n * step),
  );
}

/** The same number of events for each user, each user's evenly over the period. */
export function newStreams(
  each: number,
  users: readonly string[],
  { from, to }: Period = hoursAgo(24),
): PublishedEvent[][] {
  const step = (to - from) / each;
  return users.map((user) =>
    Array.from({ length: each }, (_, e) => newEvent(user, from + (e + Math.random()) * step))
  );
}

/** An event with random content, so that two of a user that happen to share a time are not the same event. */
function newEvent(user_id: string, at: number): PublishedEvent {
  const [event_type, app_source, payload] = kinds[Math.floor(Math.random() * kinds.length)]!;
  return {
    event_id: crypto.randomUUID(),
    user_id,
    event_type,
    app_source,
    payload: payload(Math.floor(Math.random() * 1_000_000_000)),
    timestamp: new Date(at).toISOString(),
  };
}

/** Calls with one user's events each, each user's in order, all users' mixed. */
export function callsOf(
  streams: readonly PublishedEvent[][],
  batch: number,
): PublishedEvent[][] {
  return streams
    .flatMap((stream) =>
      batches(stream, batch).map((call, place) => ({ call, at: place + Math.random() }))
    )
    .sort((a, b) => a.at - b.at)
    .map(({ call }) => call);
}

/** Cuts a list into lists of a size. */
export function batches<Item>(items: readonly Item[], size: number): Item[][] {
  return Array.from(
    { length: Math.ceil(items.length / size) },
    (_, batch) => items.slice(batch * size, (batch + 1) * size),
  );
}
