import { fileURLToPath } from "node:url";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { createQStash } from "../../../supabase/local/qstash/server.ts";
import { eventually } from "../../support/eventually.ts";
import { tempFolder } from "../../support/temp-folder.ts";
import {
  call,
  connect,
  currentSigningKey,
  nextSigningKey,
  startDestination,
  token,
} from "./harness.ts";

const main = fileURLToPath(new URL("../../../supabase/local/qstash/main.ts", import.meta.url));

/** A database file, and the processes that one test starts on it. */
async function prepareDatabase() {
  const folder = await Deno.makeTempDir({ prefix: "qstash-" });
  const processes: Deno.ChildProcess[] = [];
  return {
    path: `${folder}/qstash.db`,
    async start() {
      const { child, ...running } = await startProcess(`${folder}/qstash.db`, processes);
      function end(signal: Deno.Signal): Promise<Deno.CommandStatus> {
        child.kill(signal);
        return child.status;
      }
      return { ...running, end };
    },
    async [Symbol.asyncDispose]() {
      for (const child of processes) {
        try {
          child.kill("SIGKILL");
        } catch {
          // It has ended already.
        }
        await child.status;
      }
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** Starts the real process, a hundred times as fast as real time, and waits for it to listen. */
async function startProcess(database: string, processes: Deno.ChildProcess[]) {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", main],
    env: {
      QSTASH_PORT: "0",
      QSTASH_TOKEN: token,
      QSTASH_CURRENT_SIGNING_KEY: currentSigningKey,
      QSTASH_NEXT_SIGNING_KEY: nextSigningKey,
      QSTASH_DATABASE: database,
      QSTASH_TIME_SCALE: "100",
      // Which passes as fast: a quarter of an hour.
      QSTASH_DEDUPLICATION_WINDOW: "90000",
      NO_COLOR: "1",
    },
    stdout: "piped",
    stderr: "null",
  }).spawn();
  processes.push(child);
  let output = "";
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  while (!output.includes("\n")) {
    const { value, done } = await reader.read();
    if (done) throw new Error("it ended before it listened");
    output += value;
  }
  await reader.cancel();
  const url = output.match(/http:\S+/)?.[0] ?? "";
  return { child, url, client: connect(url) };
}

describe.concurrent("after the process is killed", () => {
  test("the message in delivery, and all that waited, are delivered by the next", async () => {
    await using database = await prepareDatabase();
    const killed = Promise.withResolvers<void>();
    await using destination = startDestination(async ({ path }) => {
      if (path === "/in-flight") await killed.promise;
      return new Response("late");
    });
    const first = await database.start();
    const { messageId } = await first.client.publish({
      url: `${destination.url}/in-flight`,
      body: "do not lose me",
    });
    await first.client.publish({ url: `${destination.url}/delayed`, delay: "2m" });
    await first.client.queue({ queueName: "paused" }).upsert({ paused: true, parallelism: 2 });
    const queue = first.client.queue({ queueName: "paused" });
    for (const body of ["1", "2"]) await queue.enqueue({ url: `${destination.url}/queued`, body });
    await first.client.publish({ url: "http://127.0.0.1:1/", retries: 0, body: "dead" });
    await first.client.schedules.create({
      scheduleId: "tick",
      destination: `${destination.url}/tick`,
      cron: "* * * * *",
    });
    await eventually(async () => (await first.client.dlq.listMessages()).messages.length === 1);
    await eventually(() => destination.to("/in-flight").length === 1);

    await first.end("SIGKILL");
    killed.resolve();
    const ticks = destination.to("/tick").length;
    const second = await database.start();

    await eventually(() => destination.to("/in-flight").length === 2);
    for (const { headers, body } of destination.to("/in-flight")) {
      expect(headers.get("upstash-message-id")).toBe(messageId);
      expect(body).toBe("do not lose me");
    }
    // On a busy machine the first may have come to it as well.
    await eventually(() => destination.to("/delayed").length > 0);
    await eventually(() => destination.to("/tick").length > ticks);

    expect(destination.to("/queued")).toHaveLength(0);
    expect(await second.client.queue({ queueName: "paused" }).get()).toMatchObject({
      paused: true,
      parallelism: 2,
      lag: 2,
    });
    await second.client.queue({ queueName: "paused" }).resume();
    await eventually(() => destination.to("/queued").length === 2);
    expect((await second.client.dlq.listMessages()).messages).toMatchObject([{ body: "dead" }]);
    expect((await second.client.schedules.list()).map(({ scheduleId }) => scheduleId)).toEqual([
      "tick",
    ]);
  });

  test("every acknowledged message of a burst is delivered, and known ids stay deduplicated", async () => {
    await using database = await prepareDatabase();
    await using destination = startDestination();
    const first = await database.start();
    const acknowledged = new Set<string>();
    await Promise.all(Array.from({ length: 8 }, async (_, publisher) => {
      for (let n = 0;; n++) {
        const id = `${publisher}-${n}`;
        try {
          await first.client.publish({ url: destination.url, body: id, deduplicationId: id });
        } catch {
          return;
        }
        if (acknowledged.add(id).size === 60) await first.end("SIGKILL");
      }
    }));
    const second = await database.start();
    for (const id of [...acknowledged].slice(0, 5)) {
      const again = await second.client.publish({ url: destination.url, deduplicationId: id });
      expect(again).toMatchObject({ deduplicated: true });
    }
    const delivered = () => new Set(destination.deliveries.map(({ body }) => body));
    await eventually(() => acknowledged.isSubsetOf(delivered()));
  });

  test("rotated signing keys stay in use", async () => {
    await using database = await prepareDatabase();
    const first = await database.start();
    const rotated = await (await call(first.url, "POST", "/v2/keys/rotate")).json();
    await first.end("SIGKILL");
    const second = await database.start();
    expect(await (await call(second.url, "GET", "/v2/keys")).json()).toEqual(rotated);
  });
});

test("a clock that runs ahead goes on from there after a restart", async () => {
  await using folder = await tempFolder();
  const publishedAt = async () => {
    const qstash = createQStash({
      token,
      currentSigningKey,
      nextSigningKey,
      databasePath: `${folder.path}/qstash.db`,
      timeScale: 1_000_000,
    });
    try {
      // A moment, in which hours pass.
      await new Promise((resolve) => setTimeout(resolve, 5));
      const headers = { authorization: `Bearer ${token}`, "upstash-delay": "365d" };
      const ask = async (path: string, method = "GET") =>
        await (await qstash.fetch(new Request(`http://qstash${path}`, { method, headers }))).json();
      const { messageId } = await ask("/v2/publish/http://127.0.0.1:1/", "POST");
      return (await ask(`/v2/messages/${messageId}`)).createdAt;
    } finally {
      await qstash.close();
    }
  };
  const before = await publishedAt();
  expect(before).toBeGreaterThan(Date.now() + 3_600_000);
  expect(await publishedAt()).toBeGreaterThan(before);
});

test("what cannot be read is set aside with the reason, and the rest goes on", async () => {
  await using database = await prepareDatabase();
  await using destination = startDestination();
  const first = await database.start();
  const queue = first.client.queue({ queueName: "paused" });
  await queue.upsert({ paused: true });
  const url = `${destination.url}/queued`;
  const { messageId: late } = await queue.enqueue({ url, body: "late" });
  const { messageId: untiring } = await queue.enqueue({ url, body: "untiring" });
  await queue.enqueue({ url, body: "kept" });
  for (const scheduleId of ["untiring", "kept"]) {
    await first.client.schedules.create({
      scheduleId,
      destination: `${destination.url}/seldom`,
      cron: "0 0 29 2 1",
    });
  }
  await first.end("SIGTERM");
  const file = new DatabaseSync(database.path);
  file.exec(`
    update messages set not_before = 1796000000000000000 where message_id = '${late}';
    update messages set options = json_set(options, '$.retries', 10000000000000000)
    where message_id = '${untiring}';
    update schedules set options = json_set(options, '$.retries', 10000000000000000)
    where schedule_id = 'untiring';
  `);
  file.close();

  const second = await database.start();
  await second.client.queue({ queueName: "paused" }).resume();
  await eventually(() => destination.to("/queued").length === 1);
  expect(destination.to("/queued")[0]?.body).toBe("kept");
  await eventually(async () =>
    (await (await call(second.url, "GET", "/v2/messages")).json()).messages.length === 0
  );
  const { logs } = await second.client.logs({ filter: { state: "FAILED" } });
  expect(Object.fromEntries(logs.map(({ messageId, error }) => [messageId, error]))).toEqual({
    [late]: expect.stringContaining("cannot be read: not_before"),
    [untiring]: expect.stringContaining("cannot be read: options.retries"),
  });
  expect((await second.client.schedules.list()).map(({ scheduleId }) => scheduleId)).toEqual([
    "kept",
  ]);
});

describe.concurrent("the process", () => {
  test.each(["SIGTERM", "SIGINT"] as const)("ends cleanly on %s", async (signal) => {
    await using database = await prepareDatabase();
    const running = await database.start();
    expect((await fetch(`${running.url}/health`)).status).toBe(200);
    expect(await running.end(signal)).toMatchObject({ success: true, code: 0 });
  });

  test("ends in the middle of a delivery too, and the next makes it again", async () => {
    await using database = await prepareDatabase();
    const ended = Promise.withResolvers<void>();
    await using destination = startDestination(async () => {
      await ended.promise;
      return new Response("late");
    });
    const first = await database.start();
    await first.client.publish({ url: destination.url, retries: 0 });
    await eventually(() => destination.deliveries.length === 1);
    expect(await first.end("SIGTERM")).toMatchObject({ success: true });
    ended.resolve();
    await database.start();
    await eventually(() => destination.deliveries.length === 2);
    expect(destination.deliveries[1]?.headers.get("upstash-retried")).toBe("0");
  });

  test("does not share its file with another", async () => {
    await using database = await prepareDatabase();
    await database.start();
    await expect(database.start()).rejects.toThrow("it ended before it listened");
  });
});
