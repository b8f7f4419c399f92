import type { Stack } from "../stack.ts";
import { expect, type Timeline, until } from "./timeline.ts";
import { Visitor } from "./visitor.ts";

/** The product's validation tests that a day does not show by itself: deduplication, and ten events at once. */
export async function playValidation(stack: Stack, timeline: Timeline): Promise<void> {
  timeline.chapter("Trois promesses, vérifiées");
  await playDuplicate(stack, timeline);
  await playTenAtOnce(stack, timeline);
  timeline.moment("3", "The functions away: see 10:00 to 18:00 above.");
}

async function playDuplicate(stack: Stack, timeline: Timeline): Promise<void> {
  timeline.moment("1", "The same event is published twice.");
  const visitor = await Visitor.signUp(stack.env, "deux-fois");
  const event = {
    event_type: "letter.generated",
    app_source: "letters",
    payload: { job_title: "Coach" },
  };
  const first = await visitor.publish(event);
  const second = await visitor.publish(event);
  const [{ event_id: firstId } = { event_id: "" }] = first.results;
  const [{ event_id: secondId, status } = { event_id: "", status: "" }] = second.results;
  timeline.seen(`first  ${first.results[0]?.status.padEnd(9)} ${firstId}`);
  timeline.seen(`second ${status.padEnd(9)} ${secondId}`);
  expect(status === "duplicate" && firstId === secondId, "the second is a duplicate of the first");
  await until(async () => (await visitor.nudges())[0], "the event is handled");
  expect((await visitor.nudges()).length === 1, "there is one nudge");
  timeline.proved("handled once: one event, one nudge");
}

async function playTenAtOnce(stack: Stack, timeline: Timeline): Promise<void> {
  timeline.moment("2", "Ten people each do something at the same time.");
  const visitors = await Promise.all(
    Array.from({ length: 10 }, (_, index) => Visitor.signUp(stack.env, `dix-${index}`)),
  );
  const startedAt = performance.now();
  await Promise.all(visitors.map(async (visitor) => {
    await visitor.publish({ event_type: "letter.generated", app_source: "letters", payload: {} });
    await until(async () => (await visitor.nudges())[0], "each event is handled");
  }));
  const ms = Math.round(performance.now() - startedAt);
  timeline.seen(`ten events published, folded and ten nudges read in ${ms} ms`);
  expect(ms < 10_000, "ten events are handled in less than 10 s");
  timeline.proved("in parallel, well under 10 s");
}
