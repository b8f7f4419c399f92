import {
  callback,
  deliveryQuery,
  hearAnswer,
  hearFailure,
} from "../../shared/flywheel/delivery-outcome.ts";
import {
  listTransitions,
  requestTransition,
  stepRequest,
  stepTransition,
  transitionAddress,
  transitionRequest,
  transitionsQuery,
  transitionSteps,
} from "../../shared/flywheel/transitions.ts";
import { createApp } from "../../shared/platform/http/app.ts";
import { type Caller, callerOf } from "../../shared/platform/http/auth.ts";
import { readJson } from "../../shared/platform/http/body.ts";
import { HttpError } from "../../shared/platform/http/error.ts";
import { secretOrSigned } from "../../shared/platform/http/signature.ts";
import { validate } from "../../shared/platform/http/validate.ts";
import { withinLimit } from "../../shared/platform/http/within-limit.ts";
import { createRateLimiter } from "../../shared/platform/rate-limit.ts";
import { openServices } from "../../shared/platform/services.ts";

const services = openServices("transitions");
const { database } = services;
const app = createApp("transitions");

const kibibyte = 1_024;
/** QStash quotes the app's answer and what it was sent, up to a mebibyte of each, in base64, and the headers of both. */
const callbackBytes = 4_096 * kibibyte;

/** Transitions that a user asks for by hand: each is delivered to an app. */
const asking = createRateLimiter(services.redis, {
  name: "transitions",
  limit: 60,
  windowMs: 60_000,
}, services);

/** Whose transition a call is about: the calling user's or, with a secret key, that of the user named, if any. */
function ownerOf(caller: Caller, named: string | undefined): string | undefined {
  if (caller.kind === "secret") return named;
  if (named !== undefined && named.toLowerCase() !== caller.userId) {
    throw new HttpError(403, "forbidden", "A user's transitions are their own.");
  }
  return caller.userId;
}

app.post("/", async (context) => {
  const caller = await callerOf(context, "user", "secret");
  const [{ value }] = await Promise.all([
    readJson(context, 64 * kibibyte),
    caller.kind === "user" && withinLimit(context, asking, caller.userId),
  ]);
  const request = validate(transitionRequest, value);
  const owner = ownerOf(caller, request.user_id);
  if (owner === undefined) {
    throw new HttpError(400, "invalid_request", "The request is not valid.", [
      { field: "user_id", message: "is required with a secret key" },
    ]);
  }
  return context.json(await requestTransition(database, owner, request), 201);
});

app.get("/", async (context) => {
  const caller = await callerOf(context, "user", "secret");
  const query = validate(transitionsQuery, context.req.query());
  return context.json(await listTransitions(database, ownerOf(caller, query.user_id), query));
});

for (const step of transitionSteps) {
  app.post(`/:transition_id/${step}`, async (context) => {
    const caller = await callerOf(context, "user", "secret");
    const { value } = await readJson(context, 8 * kibibyte);
    const { reason, user_id } = validate(stepRequest, value);
    const { transition_id } = validate(transitionAddress, context.req.param());
    const owner = ownerOf(caller, user_id);
    const transition = await stepTransition(database, owner, transition_id, step, reason);
    if (!transition) {
      throw new HttpError(404, "transition_not_found", "There is no such transition.");
    }
    return context.json(transition);
  });
}

for (
  const [path, hear] of [
    ["/delivery-answered", hearAnswer],
    ["/delivery-failed", hearFailure],
  ] as const
) {
  app.post(path, async (context) => {
    const body = await secretOrSigned(context, services, {
      maxBytes: callbackBytes,
      doorbell: false,
    });
    const delivery = validate(deliveryQuery, context.req.query());
    await hear(database, delivery, validate(callback, body));
    return context.json({ delivery_id: delivery.delivery_id });
  });
}

export default { fetch: app.fetch };
