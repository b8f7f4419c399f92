import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Ecosystem, ecosystem } from "../support/ecosystem.ts";
import { eventually } from "../support/eventually.ts";
import { refusalOf } from "../support/functions.ts";
import { qstashSignature } from "../support/signatures.ts";
import { tempFolder } from "../support/temp-folder.ts";

const hasPython = await new Deno.Command("python3", { args: ["--version"] }).output()
  .then(({ success }) => success, () => false);

let eco: Ecosystem;

beforeAll(async () => {
  eco = await ecosystem();
});

afterAll(() => eco?.[Symbol.asyncDispose]());

describe("a chosen job", () => {
  test("arrives at each app as the product's documents shape it, once, and is notified", async () => {
    const user_id = await eco.choose();
    for (const app of ["cv", "letters", "rise"] as const) {
      const saga = await eco.sagaBecomes(user_id, app, "notified");
      expect(saga.told).toEqual(["requested", "notified"]);
      expect(eco.apps[app].about(user_id)).toHaveLength(1);
    }
    const { text } = eco.apps.cv.first(user_id);
    expect(JSON.parse(text)).toEqual({
      type: "transition_phoenix_aube",
      user_id,
      source_app: "phoenix_aube",
      target_app: "cv",
      context: {
        métier_choisi: "Data Scientist",
        transition_narrative: "Reconversion vers Data Scientist validée par Phoenix Aube",
        ia_resistance_score: 0.72,
      },
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      delivery_id: expect.any(String),
      transition_id: expect.any(String),
    });
    const { body } = await eco.call("GET", "events/queue-status", { as: "secret" });
    expect(body).toMatchObject({ failed_deliveries: 0 });
  });

  test("carries a signature that the documented TypeScript accepts, and nothing forged", async () => {
    const user_id = await eco.choose();
    await eco.sagaBecomes(user_id, "cv", "notified");
    const { text, signature } = eco.apps.cv.first(user_id);
    await using folder = await tempFolder();
    const file = `${folder.path}/documented.ts`;
    await Deno.writeTextFile(file, await documented("ts"));
    const { isFromPhoenix } = await import(file);
    const eightDaysAgo = signature.replace(/\d+/, String(Math.floor(Date.now() / 1000) - 691_200));
    expect([
      isFromPhoenix(text, signature, eco.secrets.cv),
      isFromPhoenix(`${text} `, signature, eco.secrets.cv),
      isFromPhoenix(text, signature, eco.secrets.rise),
      isFromPhoenix(text, eightDaysAgo, eco.secrets.cv),
      isFromPhoenix(text, "", eco.secrets.cv),
    ]).toEqual([true, false, false, false, false]);
  });

  test.skipIf(!hasPython)("and that the documented Python accepts", async () => {
    const user_id = await eco.choose();
    await eco.sagaBecomes(user_id, "letters", "notified");
    const { text, signature } = eco.apps.letters.first(user_id);
    const check = `import sys\nbody, header, secret = (each.encode() for each in sys.argv[1:])\n` +
      `print(is_from_phoenix(body, header.decode(), secret.decode()), ` +
      `is_from_phoenix(body + b" ", header.decode(), secret.decode()))`;
    const { stdout, stderr } = await new Deno.Command("python3", {
      args: [
        "-c",
        `${await documented("python")}\n${check}`,
        text,
        signature,
        eco.secrets.letters!,
      ],
    }).output();
    expect(new TextDecoder().decode(stderr)).toBe("");
    expect(new TextDecoder().decode(stdout)).toBe("True False\n");
  });

  test("is not told to an app that has no address, nor once it has one", async () => {
    await eco.configure("rise", null);
    const user_id = await eco.choose();
    try {
      await eco.sagaBecomes(user_id, "cv", "notified");
      await eco.processQueue();
      expect(eco.apps.rise.about(user_id)).toEqual([]);
      const { body } = await eco.call("GET", "transitions?target_app=rise&status=requested", {
        as: "secret",
      });
      expect(body).toMatchObject({
        transitions: expect.arrayContaining([
          expect.objectContaining({ user_id, target_app: "rise" }),
        ]),
      });
    } finally {
      expect(await eco.configure("rise", eco.apps.rise.url)).toBe(eco.secrets.rise);
    }
    const later = await eco.choose();
    await eco.sagaBecomes(later, "rise", "notified");
    expect(eco.apps.rise.about(user_id)).toEqual([]);
    const [{ transition_id } = {}] = await eco.sql<{ transition_id: string }[]>`
      select transition_id from public.phoenix_transitions
      where user_id = ${user_id} and target_app = 'rise'
    `;
    expect(await eco.take(transition_id!, "accepted")).toBe(200);
  });

  test("that gives way to another before its app answers is not reopened by that answer", async () => {
    const user_id = crypto.randomUUID();
    eco.apps.cv.answer(user_id, async ({ context, attempt }) => {
      if (context.métier_choisi === "Coach" && attempt === 1) {
        await eco.choose(user_id, "Designer UX");
        await eventually(async () =>
          (await eco.sql`select from public.phoenix_transitions where user_id = ${user_id}`)
            .length === 6
        );
      }
      return Response.json({ status: "accepted" });
    });
    await eco.choose(user_id, "Coach");
    await eco.sagaBecomes(user_id, "cv", "accepted");
    const rows = await eco.sql`
      select t.context ->> 'métier_choisi' as job, t.status, t.reason
      from public.phoenix_transitions as t
      where t.user_id = ${user_id} and t.target_app = 'cv'
      order by t.requested_at
    `;
    expect([...rows]).toEqual([
      { job: "Coach", status: "expired", reason: "superseded" },
      { job: "Designer UX", status: "accepted", reason: null },
    ]);
  });
});

describe("an app may answer the delivery", () => {
  test("with accepted or rejected and why, and the app that the user came from hears of it", async () => {
    const user_id = crypto.randomUUID();
    eco.apps.cv.answer(user_id, () => Response.json({ status: "accepted" }));
    eco.apps.letters.answer(
      user_id,
      () => Response.json({ status: "rejected", reason: "pas de place" }),
    );
    eco.apps.rise.answer(user_id, () => Response.json({ status: "completed" }));
    await eco.choose(user_id);
    expect((await eco.sagaBecomes(user_id, "cv", "accepted")).told).toEqual([
      "requested",
      "notified",
      "accepted",
    ]);
    expect(await eco.sagaBecomes(user_id, "letters", "rejected")).toEqual({
      status: "rejected",
      reason: "pas de place",
      told: ["requested", "notified", "rejected"],
    });
    // What is no answer is no decision.
    await eco.sagaBecomes(user_id, "rise", "notified");

    await eventually(() => Promise.resolve(eco.apps.aube.about(user_id).length === 2));
    const heard = eco.apps.aube.about(user_id).toSorted((a, b) => a.type < b.type ? -1 : 1);
    expect(heard).toMatchObject([
      {
        type: "transition_accepted",
        source_app: "phoenix_cv",
        target_app: "aube",
        context: { status: "accepted" },
      },
      {
        type: "transition_rejected",
        source_app: "phoenix_letters",
        context: { status: "rejected", reason: "pas de place" },
      },
    ]);
  });

  const rejected = (reason: unknown) => () => Response.json({ status: "rejected", reason });
  test.each<[string, () => Response, status: string, reason?: string]>([
    ["a page", () => new Response("<html>merci</html>"), "notified"],
    ["nothing", () => new Response(null, { status: 204 }), "notified"],
    ["a lot", () => new Response("x".repeat(1_500_000)), "notified"],
    ["a reason that no database holds", rejected("a\0b\ud800"), "rejected", "ab"],
    ["a long reason", rejected("e\u0301".repeat(5_000)), "rejected", "é".repeat(500)],
    [
      "a reason that is cut within a character",
      rejected(`x${"🙂".repeat(300)}`),
      "rejected",
      `x${"🙂".repeat(249)}`,
    ],
    ["a reason that is no text", rejected({ code: 7 }), "rejected"],
  ])("with %s", async (_, answer, status, reason) => {
    const user_id = crypto.randomUUID();
    eco.apps.cv.answer(user_id, answer);
    await eco.choose(user_id);
    const saga = await eco.sagaBecomes(user_id, "cv", status);
    expect(saga.reason).toBe(reason ?? null);
  });
});

test("a transition that nobody answers expires, and the user is invited by a nudge instead", async () => {
  const never = { from: "00:00", until: "00:00" };
  const setTo = (said: object) =>
    eco.sql`
      update flywheel.settings
      set reactor_settings = ${
      eco.sql.json({ nudges: { holdout: 0, quiet_hours: never }, ...said })
    }
    `;
  await setTo({ transitions: { lifetime_days: 0.00003 } });
  const user_id = await eventually(async () => {
    const chooser = await eco.choose();
    await eventually(async () => {
      const [stream] = await eco.sql`
        select processed_version > 0 as is_folded from flywheel.streams where user_id = ${chooser}
      `;
      return stream?.is_folded;
    });
    // On a busy machine the time may have been over before anybody folded it: then there is no transition.
    return await eco.sagaOf(chooser, "rise") && chooser;
  });
  await setTo({});
  const saga = await eventually(async () => {
    await eco.processQueue();
    const saga = await eco.sagaOf(user_id, "rise");
    expect(saga?.status).toBe("expired");
    return saga;
  });
  expect(saga.reason).toBe("unanswered");
  expect(saga.told.at(-1)).toBe("expired");
  const nudge = await eventually(async () => {
    await eco.processQueue();
    const [row] = await eco.sql`
      select nudge_type, target_app, correlation_id from public.phoenix_nudges_sent
      where user_id = ${user_id} and target_app = 'rise'
    `;
    return row;
  });
  expect(nudge).toMatchObject({ nudge_type: "ecosystem_to_rise", target_app: "rise" });
});

describe("QStash's callbacks:", () => {
  const path = "transitions/delivery-answered";

  test.each(["delivery-answered", "delivery-failed"])(
    "POST transitions/%s is refused without a signature",
    async (name) => {
      const answer = await eco.call("POST", `transitions/${name}`, { json: { status: 200 } });
      expect(refusalOf(answer).status).toBe(401);
    },
  );

  test("a signature counts for its own delivery alone", async () => {
    const user_id = await eco.choose();
    await eco.sagaBecomes(user_id, "cv", "notified");
    const deliveries = await eco.sql<{ delivery_id: string }[]>`
      select delivery_id from flywheel.deliveries where user_id = ${user_id}
    `;
    const [one, other] = deliveries.map(({ delivery_id }) =>
      `?${new URLSearchParams({ user_id, delivery_id })}`
    );
    const body = JSON.stringify({ status: 200, body: btoa('{"status":"accepted"}') });
    const sign = (search: string) =>
      qstashSignature(eco.stack.env.QSTASH_CURRENT_SIGNING_KEY, {
        url: `${eco.stack.env.FUNCTIONS_URL}/${path}${search}`,
        body,
      });
    const send = async (search: string, signature: string) =>
      (await eco.call("POST", path + search, { body, headers: { "upstash-signature": signature } }))
        .status;
    const signature = await sign(one!);
    expect([
      await send(other!, signature),
      await send("", signature),
      await send(one!, signature),
      await send(one!, signature),
    ]).toEqual([401, 401, 200, 401]);
  });

  test("one about an unknown delivery is taken, so that QStash does not repeat it", async () => {
    const query = new URLSearchParams({
      user_id: crypto.randomUUID(),
      delivery_id: crypto.randomUUID(),
    });
    for (const name of ["delivery-answered", "delivery-failed"]) {
      const answer = await eco.call("POST", `transitions/${name}?${query}`, {
        as: "secret",
        json: { status: 200 },
      });
      expect(answer.status, answer.text).toBe(200);
    }
  });
});

/** The code of a block of the developers' page, so that what is documented is what works. */
async function documented(language: string): Promise<string> {
  const page = await Deno.readTextFile(new URL("../../docs/transitions.md", import.meta.url));
  return new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(page)![1]!;
}
