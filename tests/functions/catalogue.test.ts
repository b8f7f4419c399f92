import { beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { functionsOf, publicationOf } from "../support/functions.ts";
import { testStack, type TestUser } from "../support/stack.ts";

const stack = testStack();
const call = functionsOf(stack.env);

const catalogueSchema = z.record(
  z.string(),
  z.looseObject({
    $schema: z.literal("https://json-schema.org/draft/2020-12/schema"),
    title: z.string(),
    description: z.string(),
    type: z.literal("object"),
    "x-app": z.string(),
    examples: z.array(z.record(z.string(), z.unknown())).min(1),
  }),
);

let catalogue: z.output<typeof catalogueSchema>;
let user: TestUser;

beforeAll(async () => {
  user = await stack.signUp();
  const answer = await call("GET", "events/catalogue");
  expect(answer.status).toBe(200);
  catalogue = catalogueSchema.parse(answer.body);
});

describe("GET events/catalogue", () => {
  test("gives anybody a JSON Schema of each event type, to keep for a while", async () => {
    const { headers } = await call("GET", "events/catalogue");
    expect(headers.get("content-type")).toBe("application/json");
    expect(headers.get("cache-control")).toBe("public, max-age=300");
    expect(headers.get("x-request-id")).toBeTruthy();
    expect(Object.keys(catalogue)).toEqual(expect.arrayContaining([
      "exploration_commencée",
      "métier_choisi",
      "transition_écosystème",
      "cv.generated",
      "letter.generated",
      "mood.logged",
      "user.registered",
    ]));
  });

  test("shows examples that can be published as they stand", async () => {
    const events = Object.entries(catalogue)
      .filter(([, { "x-app": app }]) => app !== "flywheel")
      .flatMap(([event_type, { "x-app": app, examples }]) =>
        examples.map((payload) => ({
          event_type,
          app_source: app === "any" ? "website" : app,
          payload,
        }))
      );
    const { accepted, results } = publicationOf(
      await call("POST", "events", { as: user, json: { events } }),
    );
    expect(results.filter(({ error }) => error)).toEqual([]);
    expect(accepted).toBe(events.length);
  });
});
