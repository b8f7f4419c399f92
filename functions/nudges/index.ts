import {
  markNudge,
  nudgeAddress,
  nudgeSteps,
  pendingNudges,
} from "../../shared/flywheel/nudges.ts";
import { createApp } from "../../shared/platform/http/app.ts";
import { callerOf } from "../../shared/platform/http/auth.ts";
import { HttpError } from "../../shared/platform/http/error.ts";
import { revalidated } from "../../shared/platform/http/revalidated.ts";
import { validate } from "../../shared/platform/http/validate.ts";
import { openServices } from "../../shared/platform/services.ts";

const { database } = openServices("nudges");
const app = createApp("nudges");

app.get("/", revalidated, async (context) => {
  const { userId } = await callerOf(context, "user");
  context.header("cache-control", "private, no-cache");
  return context.json(await pendingNudges(database, userId));
});

for (const step of nudgeSteps) {
  app.post(`/:nudge_id/${step}`, async (context) => {
    const { userId } = await callerOf(context, "user");
    const { nudge_id } = validate(nudgeAddress, context.req.param());
    const nudge = await markNudge(database, userId, nudge_id, step);
    if (!nudge) throw new HttpError(404, "nudge_not_found", "You have no such nudge.");
    return context.json(nudge);
  });
}

export default { fetch: app.fetch };
