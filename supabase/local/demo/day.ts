import type { Stack } from "../stack.ts";
import { expect, type Timeline, until } from "./timeline.ts";
import { type Nudge, Visitor } from "./visitor.ts";

/** A day of the flywheel: letters in the morning, nobody at the wheel in the afternoon, a nudge in the evening. */
export async function playDay(stack: Stack, timeline: Timeline): Promise<void> {
  timeline.chapter("Une journée de Camille, qui change de métier");

  const camille = await Visitor.signUp(stack.env, "camille");
  timeline.moment("09:55", "Camille signs up, over HTTP, with supabase-js.");
  timeline.seen(`user ${camille.userId}`);

  await stack.service("functions").stop();
  timeline.moment("10:00", "The flywheel's functions are stopped. The apps do not notice.");

  const offer = await camille.publishWithoutFunctions({
    event_type: "job_offer.analyzed",
    app_source: "letters",
    payload: { job_title: "Data Scientist", company: "Atelier Nord" },
  });
  timeline.moment("10:05", "In Phoenix Letters, she has a job offer analysed.");
  timeline.seen(`job_offer.analyzed ${offer.results[0]?.status}, through rpc('publish_events')`);

  const letter = await camille.publishWithoutFunctions({
    event_type: "letter.generated",
    app_source: "letters",
    payload: { job_title: "Data Scientist", match_score: 0.82 },
  });
  timeline.moment("14:00", "She writes her letter with Phoenix Letters.");
  timeline.seen(`letter.generated ${letter.results[0]?.status}`);
  expect(
    offer.accepted === 1 && letter.accepted === 1,
    "apps publish while the functions are stopped",
  );
  timeline.proved("with the functions stopped, the apps still publish: nothing is lost");

  timeline.moment("18:00", "The functions start. Nobody asks them for anything.");
  await stack.service("functions").start();
  const { answer: nudge, ms } = await until(
    async () => (await camille.nudges().catch(() => [] as Nudge[]))[0],
    "the sweep finds the backlog",
  );
  timeline.seen(
    `the sweep found two waiting events ${
      (ms / 1000).toFixed(1)
    } s later (QStash's minute is shortened here)`,
  );
  timeline.proved("the backlog was handled, in order, without anyone asking");

  timeline.moment("18:30", "Camille comes back to Phoenix Letters, and reads:");
  timeline.screen(nudge.title, [nudge.message, `[ ${nudge.cta_label} ]`]);
  await camille.call(`nudges/${nudge.nudge_id}/shown`, "POST");
  await camille.call(`nudges/${nudge.nudge_id}/clicked`, "POST");
  timeline.moment("18:31", "She follows it to Phoenix CV, and uploads her CV.");
  const upload = await camille.publish({
    event_type: "cv.uploaded",
    app_source: "cv",
    payload: { file_type: "pdf", ats_score: 64 },
  });
  timeline.seen(`cv.uploaded ${upload.results[0]?.status}`);

  const { events } = await camille.call<
    { events: { version: number; event_type: string; app_source: string }[] }
  >(
    "events?limit=20",
    "GET",
  );
  timeline.moment("18:35", "Her story, as the store tells it:");
  for (const { version, event_type, app_source } of events.reverse()) {
    timeline.seen(`${String(version).padStart(2)}  ${event_type.padEnd(20)} ${app_source}`);
  }
  expect(
    events.every(({ version }, index) => version === index + 1),
    "her events are numbered without a gap",
  );
}
