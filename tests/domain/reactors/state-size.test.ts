import { expect, test } from "vitest";
import { hour } from "../../../shared/domain/duration.ts";
import { journeySteps } from "../../../shared/domain/journey-steps.ts";
import { Story } from "../../support/story.ts";

const long = (n: number) => `${n} ${"é".repeat(480)}`;
const many = (n: number) => Array.from({ length: 30 }, (_, index) => long(n + index));

/** What fills a state most: lists and texts as long as the catalogue allows, other ones every time. */
const happenings: ((n: number) => [event_type: string, app: string, payload: object])[] = [
  (n) => ["exploration_commencée", "aube", { motivations: many(n), parcours_id: `p${n % 3}` }],
  (n) => ["valeurs_explorées", "aube", { valeurs: many(n) }],
  (n) => [
    "compétences_révélées",
    "aube",
    { compétences: many(n), compétences_à_valoriser: many(n), skills_to_highlight: many(n) },
  ],
  () => [
    "tests_psychométriques_complétés",
    "aube",
    { big_five: { openness: 0.123456 }, riasec: ["Investigative", "Realistic", "Social"] },
  ],
  (n) => ["recommandations_générées", "aube", { recommandations: many(n) }],
  (
    n,
  ) => ["validation_ia_effectuée", "aube", {
    métier: long(n),
    ia_narrative: long(n),
    validé: false,
  }],
  (n) => [
    "métier_choisi",
    "aube",
    { métier: long(n), compétences_à_valoriser: many(n), skills_to_highlight: many(n) },
  ],
  (n) => ["cv.uploaded", "cv", { filename: long(n) }],
  (n) => ["letter.generated", "letters", { job_title: long(n) }],
  (n) => ["mirror_match.performed", "letters", { gaps: many(n) }],
  () => ["mood.logged", "rise", { mood_score: 2, anxiety_level: 0.9 }],
];

function live(events: number): Story {
  const story = new Story();
  for (let n = 0; n < events; n++) {
    const [event_type, app, payload] = happenings[n % happenings.length]!(n);
    story.happens(event_type, app, {
      payload: { ...payload },
      correlation_id: `visit-${n}-${"x".repeat(180)}`,
    });
    const last = story.nudges.at(-1);
    if (n % 7 === 0 && last) story.does("clicked", last);
    story.passes(3 * hour);
  }
  return story;
}

function bytesOf(story: Story): Record<string, number> {
  const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value)).length;
  return {
    ...Object.fromEntries(Object.entries(story.state).map(([name, state]) => [name, bytes(state)])),
    all: bytes(story.state),
  };
}

test("what is remembered of a user does not grow with their history", () => {
  const usual = new Story();
  usual.happens("cv.uploaded", "cv", { payload: { filename: "cv.pdf", size_bytes: 256_000 } });
  for (let n = 1; n < 1000; n++) {
    const step = journeySteps[n % 7]!;
    usual.happens(n % 2 ? step : "letter.generated", n % 2 ? "aube" : "letters", {
      payload: { métier: "Data Scientist", compétences: ["Python", "analyse"] },
    });
    usual.passes(hour);
  }
  const first = new Story();
  first.happens("cv.uploaded", "cv", { payload: { filename: "cv.pdf", size_bytes: 256_000 } });

  const worst = Object.fromEntries([100, 1000].map((n) => [n, bytesOf(live(n))]));
  console.table({
    "1 event": bytesOf(first),
    "1,000 events": bytesOf(usual),
    "100 of the largest": worst[100],
    "1,000 of the largest": worst[1000],
  });
  expect(bytesOf(first).all).toBeLessThan(500);
  expect(bytesOf(usual).all).toBeLessThan(4_000);
  expect(worst[1000]!.all).toBeLessThan(42_000);
  expect(worst[1000]!.all).toBeLessThan(worst[100]!.all! * 1.1);
});
