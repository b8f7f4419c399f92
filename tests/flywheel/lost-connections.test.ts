import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect, type Database, isUnreachable } from "../../shared/platform/database.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";

let base: TestDatabase;

beforeAll(async () => {
  base = await testDatabase();
});
afterAll(() => base[Symbol.asyncDispose]());

test(
  "every query is answered or rejected while connections are lost all the time, and answered once they are lost no more",
  async () => {
    const database = base.connect();
    const asked = [
      () => database`select ${crypto.randomUUID()}::text as a, pg_sleep(0.002)`,
      () => database`select ${"x".repeat(3_000)}::text as a`,
      () => database`select flywheel.tend()`,
    ];
    let underWay = 0;
    const errors: unknown[] = [];
    let isOver = false;
    const callers = Array.from({ length: 15 }, async (_, index) => {
      while (!isOver) {
        underWay++;
        await asked[index % asked.length]!().catch((error: unknown) => errors.push(error));
        underWay--;
      }
    });
    for (let times = 0; times < 20; times++) {
      // None is lost later than the last are gone.
      await base.superuser`
        select pg_terminate_backend(pid, ${times < 19 ? 0 : 60_000}) from pg_stat_activity
        where application_name = 'phoenix-flywheel' and datname = current_database()
      `;
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
    const before = errors.length;
    expect(before).toBeGreaterThan(0);
    expect(errors.filter((error) => !isUnreachable(error))).toEqual([]);

    isOver = true;
    expect(await database`select 1 as one`).toEqual([{ one: 1 }]);
    await eventually(() => Promise.resolve(underWay === 0));
    await Promise.all(callers);
  },
);

/** Asks for the connection's process, once nobody holds the lock. */
async function ask(database: Database): Promise<number> {
  const [row] = await database`select pg_backend_pid() as pid, pg_advisory_xact_lock_shared(1)`;
  return row!.pid as number;
}

/** Asks twice, has both queries wait, each on a connection, and does something before they go on: @returns what came of them */
async function askTwice(database: Database, meanwhile: (pids: number[]) => Promise<unknown>) {
  let asked: Promise<PromiseSettledResult<number>[]> | undefined;
  await base.superuser.begin(async (sql) => {
    await sql`select pg_advisory_xact_lock(1)`;
    asked = Promise.allSettled([ask(database), ask(database)]);
    const waiting = await eventually(async () => {
      const rows = await base.superuser<{ pid: number }[]>`
        select pid from pg_locks
        where locktype = 'advisory' and not granted
          and database = (select oid from pg_database where datname = current_database())
      `;
      return rows.length === 2 ? rows : undefined;
    });
    await meanwhile(waiting.map(({ pid }) => pid));
  });
  return (await asked!).map((each) => each.status === "fulfilled" ? each.value : each.reason.code);
}

test("once a connection is lost, later queries have none of those beside it", async () => {
  const database = base.connect();
  let [lost, beside]: number[] = [];
  const outcomes = await askTwice(database, async (pids) => {
    [lost, beside] = pids;
    await base.superuser`select pg_terminate_backend(${lost!}, 60000)`;
  });
  expect(new Set(outcomes)).toEqual(new Set(["CONNECTION_CLOSED", beside]));
  expect(await ask(database)).not.toBe(beside);
});

test("a connection that is refused does nothing to those that are open", async () => {
  const role = `limited_${crypto.randomUUID().replaceAll("-", "")}`;
  await base.superuser.unsafe(
    `create role ${role} login password 'a password' connection limit 2 in role service_role`,
  );
  const database = connect(
    Object.assign(new URL(base.url), { username: role, password: "a password" }).href,
  );
  try {
    let open: number[] = [];
    const there = await askTwice(database, async (pids) => {
      open = pids;
      await expect(ask(database)).rejects.toMatchObject({ code: "53300" });
    });
    expect(there.toSorted()).toEqual(open.toSorted());
    expect(there).toContain(await ask(database));
  } finally {
    await database.end();
    await base.superuser.unsafe(`drop role ${role}`);
  }
});

test("while nobody listens every query fails at once, however many there were", async () => {
  const database = connect("postgresql://postgres@127.0.0.1:9/postgres");
  for (let time = 0; time < 30; time++) {
    await expect(database`select 1`).rejects.toMatchObject({ code: "ECONNREFUSED" });
  }
  await database.end();
});

/** Long enough for a busy database to answer that it is there. */
const silenceMs = 2_000;

// They wait for the most part.
describe.concurrent("when a query takes long", () => {
  test("and the database has fallen silent, those that wait are rejected, and later ones are answered once it speaks again", async () => {
    using line = new Line(base.url);
    const database = connect(line.url, { silenceMs });
    expect(await database`select 1 as one`).toEqual([{ one: 1 }]);
    line.isSilent = true;
    const told = await Promise.allSettled([
      database`select 1`,
      database`select 2`,
      ...Array.from({ length: 10 }, () => database`select pg_sleep(0)`),
    ]);
    for (const each of told) {
      expect(each.status).toBe("rejected");
      expect(isUnreachable((each as PromiseRejectedResult).reason)).toBe(true);
    }
    line.isSilent = false;
    expect(await database`select 1 as one`).toEqual([{ one: 1 }]);
    await database.end();
  });

  test("because a pooler lets clients in and has them wait, it is waited for", async () => {
    using line = new Line(base.url);
    const database = connect(line.url, { silenceMs });
    expect(await database`select 1 as one`).toEqual([{ one: 1 }]);
    line.isBusy = true;
    const { greetings } = line;
    const asked = database`select 1 as one`.execute();
    // Once somebody looks again whether the database is there, who looked first has come to a verdict.
    await eventually(() => line.greetings >= greetings + 2);
    line.isBusy = false;
    expect(await asked).toEqual([{ one: 1 }]);
    await database.end();
  });

  test("and the database is there, it is waited for", async () => {
    const database = connect(base.url, { silenceMs });
    expect(await database`select 1 as one from pg_sleep(${2.5 * silenceMs / 1000})`)
      .toEqual([{ one: 1 }]);
    await database.end();
  });
});

/**
 * A line to the database. While it is silent it still takes connections, but nothing comes through. While it is busy it greets clients as
 * the database does, and has their queries wait.
 */
class Line {
  isSilent = false;
  isBusy = false;
  /** How many clients it has let in. */
  greetings = 0;
  readonly url: string;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #ends = new Set<Deno.Conn>();

  constructor(url: string) {
    this.url = Object.assign(new URL(url), { port: this.#listener.addr.port }).href;
    void this.#serve(new URL(url));
  }

  async #serve({ hostname, port }: URL): Promise<void> {
    for await (const near of this.#listener) {
      const far = await Deno.connect({ hostname, port: Number(port) });
      this.#ends.add(near).add(far);
      let isIn = false;
      void this.#carry(near, far, async () => {
        while (isIn && this.isBusy) await new Promise((resolve) => setTimeout(resolve, 20));
      });
      void this.#carry(far, near, (chunk) => {
        // "Ready for query" ends the greeting.
        if (!isIn && chunk.at(-6) === "Z".charCodeAt(0)) {
          isIn = true;
          this.greetings++;
        }
        return Promise.resolve();
      });
    }
  }

  async #carry(from: Deno.Conn, to: Deno.Conn, before: (chunk: Uint8Array) => Promise<void>) {
    try {
      for await (const chunk of from.readable) {
        await before(chunk);
        if (!this.isSilent) await to.write(chunk);
      }
      to.close();
    } catch {
      // One of them was closed.
    }
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    for (const end of this.#ends) {
      try {
        end.close();
      } catch {
        // It was closed before.
      }
    }
  }
}
