import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventsQuery, listEvents } from "../../shared/flywheel/events.ts";
import type { Database } from "../../shared/platform/database.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { event, publish } from "../support/flywheel.ts";

let base: TestDatabase;
let database: Database;
const user = crypto.randomUUID();
const versions = Array.from({ length: 25 }, (_, index) => index + 1);

beforeAll(async () => {
  base = await testDatabase();
  database = base.connect();
  const other = crypto.randomUUID();
  await publish(
    database,
    versions.flatMap((n) => [
      event(user, { event_type: n % 2 === 0 ? "even" : "odd", payload: { n } }),
      event(other, { payload: { n } }),
    ]),
  );
});
afterAll(() => base[Symbol.asyncDispose]());

async function read(from: number | null, backwards: boolean, max: number): Promise<number[]> {
  const rows = await database`
    select version::int, user_id from flywheel.read_stream(${user}, ${from}, ${backwards}, ${max})
  `;
  expect(rows.every((row) => row.user_id === user)).toBe(true);
  return rows.map((row) => row.version);
}

describe("a stream is read", () => {
  test("forwards from its start", async () => {
    expect(await read(null, false, 10)).toEqual(versions.slice(0, 10));
  });

  test("backwards from its end", async () => {
    expect(await read(null, true, 10)).toEqual(versions.toReversed().slice(0, 10));
  });

  test("from a version, itself included, either way", async () => {
    expect(await read(7, false, 3)).toEqual([7, 8, 9]);
    expect(await read(7, true, 3)).toEqual([7, 6, 5]);
  });

  test("to nothing beyond its ends", async () => {
    expect(await read(26, false, 10)).toEqual([]);
    expect(await read(0, true, 10)).toEqual([]);
    expect(await read(-5, false, 2)).toEqual([1, 2]);
    expect(await read(1000, true, 2)).toEqual([25, 24]);
  });

  test.each([1, 4, 25, 100])("whole in pages of %i, either way", async (max) => {
    for (const backwards of [false, true]) {
      const seen: number[] = [];
      for (let from: number | null = null;;) {
        const page = await read(from, backwards, max);
        seen.push(...page);
        if (page.length < max) break;
        from = page.at(-1)! + (backwards ? -1 : 1);
      }
      expect(seen).toEqual(backwards ? versions.toReversed() : versions);
    }
  });
});

describe("a user lists their events", () => {
  async function list(query: Record<string, unknown>) {
    const { events, next }: { events: { version: number }[]; next: number | null } = JSON.parse(
      await listEvents(database, user, eventsQuery.parse(query)),
    );
    return { versions: events.map(({ version }) => version), next };
  }

  async function pages(query: Record<string, unknown>, cursor: "before" | "after") {
    const seen: number[] = [];
    let from: number | null | undefined;
    while (from !== null) {
      const page = await list({ ...query, ...(from !== undefined && { [cursor]: from }) });
      seen.push(...page.versions);
      from = page.next;
    }
    return seen;
  }

  test("newest first, page by page", async () => {
    expect(await list({ limit: 3 })).toEqual({ versions: [25, 24, 23], next: 23 });
    expect(await pages({ limit: 4 }, "before")).toEqual(versions.toReversed());
  });

  test("oldest first with after, page by page", async () => {
    expect(await list({ limit: 3, after: 0 })).toEqual({ versions: [1, 2, 3], next: 3 });
    expect(await pages({ limit: 4, after: 0 }, "after")).toEqual(versions);
    expect(await list({ limit: 5, after: 20 })).toEqual({
      versions: [21, 22, 23, 24, 25],
      next: null,
    });
  });

  test("between two versions, and of one type", async () => {
    expect(await list({ after: 5, before: 10 })).toEqual({ versions: [6, 7, 8, 9], next: null });
    expect(await list({ after: 5, before: 10, event_type: "even" }))
      .toEqual({ versions: [6, 8], next: null });
  });
});
