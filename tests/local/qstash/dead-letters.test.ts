import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { call, pause, startDestination, startQStash } from "./harness.ts";

let qstash: Awaited<ReturnType<typeof startQStash>>;
let destination: ReturnType<typeof startDestination>;
let broken = true;

beforeAll(async () => {
  destination = startDestination(({ path }) =>
    new Response("answer", { status: broken ? (path === "/gone" ? 410 : 500) : 200 })
  );
  qstash = await startQStash();
});

beforeEach(async () => {
  broken = true;
  await qstash.client.dlq.delete({ all: true });
});

afterAll(async () => {
  await qstash.close();
  await destination.close();
});

async function die(paths: string[], options: { label?: string } = {}): Promise<string[]> {
  const { dlq } = qstash.client;
  const before = (await dlq.listMessages()).messages.length;
  for (const path of paths) {
    await qstash.client.publish({
      url: `${destination.url}${path}`,
      body: path,
      retries: 0,
      ...options,
    });
  }
  await eventually(async () =>
    (await dlq.listMessages()).messages.length === before + paths.length
  );
  const { messages } = await dlq.listMessages();
  return paths.map((path) => messages.find(({ url }) => url.endsWith(path))?.dlqId ?? "");
}

describe("dead letters", () => {
  test("are listed newest first, page by page", async () => {
    for (const path of ["/1", "/2", "/3"]) await die([path]);
    const first = await qstash.client.dlq.listMessages({ count: 2 });
    expect(first.messages.map(({ body }) => body)).toEqual(["/3", "/2"]);
    const second = await qstash.client.dlq.listMessages({
      count: 2,
      ...(first.cursor === undefined ? {} : { cursor: first.cursor }),
    });
    expect(second.messages.map(({ body }) => body)).toEqual(["/1"]);
    expect(second.cursor).toBeUndefined();
  });

  test("are found by what they are filtered by", async () => {
    const [gone = ""] = await die(["/gone"], { label: "special" });
    await die(["/other"]);
    const { dlq } = qstash.client;
    const [letter] = (await dlq.listMessages({ dlqIds: [gone] })).messages;
    const diedAt = Number(gone.split("-")[0]);
    for (
      const filter of [
        { url: `${destination.url}/gone` },
        { label: ["special", "unused"] },
        { responseStatus: 410 },
        { messageId: letter?.messageId ?? "" },
        { label: "special", url: `${destination.url}/gone`, fromDate: 0, toDate: Date.now() },
        { label: "special", fromDate: diedAt, toDate: diedAt },
      ]
    ) {
      const { messages } = await dlq.listMessages({ filter });
      expect([filter, messages.map(({ dlqId }) => dlqId)]).toEqual([filter, [gone]]);
    }
    for (const filter of [{ queueName: "none" }, { urlGroup: "none" }, { toDate: 1 }]) {
      expect((await dlq.listMessages({ filter })).messages).toEqual([]);
    }
  });

  test("are not all taken for what a misspelt filter means", async () => {
    await die(["/kept"]);
    const response = await call(qstash.url, "DELETE", "/v2/dlq?labeel=x");
    expect(response.status).toBe(400);
    expect((await qstash.client.dlq.listMessages()).messages).toHaveLength(1);
  });

  test("are read and deleted one by one and in bulk", async () => {
    const [one = "", two = "", three = ""] = await die(["/a", "/b", "/c"]);
    const { dlq } = qstash.client;
    expect(await (await call(qstash.url, "GET", `/v2/dlq/${one}`)).json()).toMatchObject({
      dlqId: one,
      body: "/a",
    });
    await dlq.delete(one);
    await expect(dlq.delete(one)).rejects.toMatchObject({ status: 404 });
    expect(await dlq.delete([two])).toEqual({ deleted: 1 });
    expect(await dlq.delete({ filter: { url: `${destination.url}/c` } })).toEqual({ deleted: 1 });
    expect((await dlq.listMessages({ dlqIds: [three] })).messages).toEqual([]);
  });

  test("are published anew by a retry and leave the dead letters", async () => {
    const [one = ""] = await die(["/x", "/y", "/z"]);
    const { dlq } = qstash.client;
    broken = false;
    const { responses } = await dlq.retry(one);
    expect(responses).toEqual([{ messageId: expect.stringMatching(/^msg_/) }]);
    await eventually(() => destination.to("/x").length === 2);
    expect(destination.to("/x")[1]?.headers.get("upstash-retried")).toBe("0");
    expect((await dlq.retry({ all: true })).responses).toHaveLength(2);
    await eventually(() => destination.to("/y").length === 2 && destination.to("/z").length === 2);
    expect((await dlq.listMessages()).messages).toEqual([]);
    await expect(dlq.retry(one)).rejects.toMatchObject({ status: 404 });
  });
});

test("a dead letter of what was published with a delay does not wait for it again", async () => {
  await using fast = await startQStash({ timeScale: 1_000_000 });
  const waited = async () => {
    broken = true;
    await fast.client.publish({ url: `${destination.url}/late`, delay: "7d", retries: 0 });
    const letter = await eventually(async () => (await fast.client.dlq.listMessages()).messages[0]);
    broken = false;
    const { responses } = await fast.client.dlq.retry(letter.dlqId);
    const messageIds = [responses[0]!.messageId];
    const { logs } = await eventually(async () => {
      const found = await fast.client.logs({ messageIds });
      return found.logs.some(({ state }) => state === "DELIVERED") ? found : undefined;
    });
    const at = (state: string) => logs.find((log) => log.state === state)!.time;
    return at("ACTIVE") - at("CREATED");
  };
  // On a busy machine a week may pass meanwhile: they take little more than half a second here.
  await eventually(async () => await waited() < 7 * 86_400_000);
});

describe("messages", () => {
  test("are cancelled by id, by ids, by filter and all together", async () => {
    const { messages } = qstash.client;
    async function pending(path: string, label: string) {
      const url = `${destination.url}${path}`;
      return (await qstash.client.publish({ url, delay: "1d", label })).messageId;
    }
    const ids = [
      await pending("/1", "a"),
      await pending("/2", "a"),
      await pending("/3", "b"),
      await pending("/4", "c"),
      await pending("/5", "c"),
    ];
    expect(await messages.cancel(ids[0] ?? "")).toEqual({ cancelled: 1 });
    await expect(messages.cancel(ids[0] ?? "")).rejects.toMatchObject({ status: 404 });
    expect(await messages.cancel([ids[0] ?? "", ids[1] ?? ""])).toEqual({ cancelled: 1 });
    expect(await messages.cancel({ filter: { label: "b", path: "/3" } })).toEqual({ cancelled: 1 });
    const { messages: left } = await (await call(qstash.url, "GET", "/v2/messages")).json();
    expect(left.map(({ messageId }: { messageId: string }) => messageId)).toEqual(ids.slice(3));
    expect(await messages.cancel({ all: true })).toEqual({ cancelled: 2 });

    const { logs } = await qstash.client.logs({ filter: { state: "CANCELED" } });
    expect(new Set(logs.map(({ messageId }) => messageId))).toEqual(new Set(ids));
  });

  test("that are cancelled in flight are neither dead nor reported", async () => {
    const cancelled = Promise.withResolvers<void>();
    await using slow = startDestination(async () => {
      await cancelled.promise;
      return new Response(null, { status: 500 });
    });
    const { messageId } = await qstash.client.publish({
      url: slow.url,
      retries: 0,
      callback: `${slow.url}/callback`,
      failureCallback: `${slow.url}/failure`,
    });
    await eventually(() => slow.deliveries.length === 1);
    await qstash.client.messages.cancel(messageId);
    cancelled.resolve();
    await pause(100);
    expect(slow.deliveries).toHaveLength(1);
    expect((await qstash.client.dlq.listMessages()).messages).toEqual([]);
  });

  test("leave a log that pages from the newest entry to the oldest", async () => {
    const label = "paged";
    await qstash.client.publish({ url: `${destination.url}/logged`, retries: 0, label });
    await eventually(async () =>
      (await qstash.client.logs({ filter: { label } })).logs[0]?.state === "FAILED"
    );
    const states: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await qstash.client.logs({
        count: 1,
        filter: { label },
        ...(cursor === undefined ? {} : { cursor }),
      });
      states.push(...page.logs.map(({ state }) => state));
      cursor = page.cursor;
    } while (cursor);
    expect(states).toEqual(["FAILED", "ERROR", "ACTIVE", "CREATED"]);
    const underway = await qstash.client.logs({ filter: { label, state: "IN_PROGRESS" } });
    expect(underway.logs.map(({ state }) => state)).toEqual(["ERROR", "ACTIVE"]);
  });
});
