import { Hono } from "hono";
import { z } from "zod";
import type { NewMessage } from "../message.ts";
import { fingerprintContent, publishOnce } from "../publish.ts";
import { readDestination, readPublishOptions } from "../read-options.ts";
import { RequestError } from "../request-error.ts";
import type { RouteContext } from "./context.ts";
import { callerIp, destinationAfter, validName } from "./request.ts";

const Batch = z.array(z.object({
  destination: z.string(),
  headers: z.record(z.string(), z.string()).default({}),
  body: z.string().nullish(),
  queue: z.string().nullish(),
}));

/** `/v2/publish`, `/v2/enqueue` and `/v2/batch`. */
export function publishRoutes(context: RouteContext): Hono {
  const app = new Hono();

  async function accept(
    { destination, headers, body, queue, callerIp }: {
      destination: string;
      headers: Headers | Record<string, string>;
      body: NewMessage["body"];
      queue: string | null;
      callerIp: string;
    },
  ) {
    const { options, notBefore, deduplicationId, contentBasedDeduplication } = readPublishOptions(
      validHeaders(headers),
      context.clock.now(),
    );
    const message: NewMessage = {
      url: readDestination(destination),
      body,
      options,
      queue: queue === null ? null : validName(queue, "queue name"),
      scheduleId: null,
      callerIp,
    };
    const accepted = publishOnce(context, message, {
      deduplicationId,
      notBefore,
      contentFingerprint: contentBasedDeduplication ? await fingerprintContent(message) : null,
    });
    context.deliverer.wake();
    return { ...accepted, url: message.url };
  }

  app.post("/v2/publish/*", async (c) => {
    const answer = await accept({
      destination: destinationAfter("/v2/publish/", c.req.raw),
      headers: c.req.raw.headers,
      body: await c.req.raw.bytes(),
      queue: null,
      callerIp: callerIp(c.req.raw),
    });
    return c.json(answer, answer.deduplicated ? 202 : 200);
  });

  app.post("/v2/enqueue/:queue/*", async (c) => {
    const queue = c.req.param("queue");
    const answer = await accept({
      destination: destinationAfter(`/v2/enqueue/${encodeURIComponent(queue)}/`, c.req.raw),
      headers: c.req.raw.headers,
      body: await c.req.raw.bytes(),
      queue,
      callerIp: callerIp(c.req.raw),
    });
    return c.json(answer, answer.deduplicated ? 202 : 200);
  });

  app.post("/v2/batch", async (c) => {
    const batch = Batch.safeParse(await c.req.json().catch(() => undefined));
    if (!batch.success) throw new RequestError(400, "invalid batch request body");
    const answers = [];
    for (const { destination, headers, body, queue } of batch.data) {
      // One message's fault is its own answer: the others are still sent.
      answers.push(
        await accept({
          destination,
          headers,
          body: new TextEncoder().encode(body ?? ""),
          queue: queue ?? null,
          callerIp: callerIp(c.req.raw),
        }).catch((error) => {
          if (error instanceof RequestError) return { error: error.message };
          throw error;
        }),
      );
    }
    return c.json(answers);
  });

  return app;
}

function validHeaders(headers: Headers | Record<string, string>): Headers {
  try {
    return new Headers(headers);
  } catch {
    throw new RequestError(400, "invalid header name or value");
  }
}
