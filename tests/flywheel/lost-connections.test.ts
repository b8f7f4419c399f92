import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect, isUnreachable } from "../../shared/platform/database.ts";
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
      await base.superuser`
      select pg_terminate_backend(pid) from pg_stat_activity
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
  60_000,
);

test("once a connection is lost, later queries have none of those beside it", async () => {
  const database = base.connect();
  const ask = async () => {
    const [row] = await database`select pg_backend_pid() as pid, pg_advisory_xact_lock_shared(1)`;
    return row!.pid as number;
  };
  /** Asks twice, has both queries wait, each on a connection, and does something before they go on. */
  const askTwice = async (meanwhile: (pids: number[]) => Promise<unknown>) => {
    let asked: Promise<PromiseSettledResult<number>[]> | undefined;
    await base.superuser.begin(async (sql) => {
      await sql`select pg_advisory_xact_lock(1)`;
      asked = Promise.allSettled([ask(), ask()]);
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
    return (await asked!).map((each) =>
      each.status === "fulfilled" ? each.value : each.reason.code
    );
  };
  let [lost, beside]: number[] = [];
  const outcomes = await askTwice(async (pids) => {
    [lost, beside] = pids;
    await base.superuser`select pg_terminate_backend(${lost!}, 20000)`;
  });
  expect(new Set(outcomes)).toEqual(new Set(["CONNECTION_CLOSED", beside]));
  expect(await ask()).not.toBe(beside);
});

test("a connection that is refused does nothing to those that are open", async () => {
  const role = `limited_${crypto.randomUUID().replaceAll("-", "")}`;
  await base.superuser.unsafe(
    `create role ${role} login password 'a password' connection limit 2 in role service_role`,
  );
  const database = connect(
    Object.assign(new URL(base.url), { username: role, password: "a password" }).href,
  );
  const ask = async () => {
    const [row] = await database`select pg_backend_pid() as pid, pg_sleep(0.3)`;
    return row!.pid as number;
  };
  try {
    const asked = await Promise.allSettled([ask(), ask(), ask()]);
    const there = asked.flatMap((each) => each.status === "fulfilled" ? [each.value] : []);
    const refused = asked.flatMap((each) => each.status === "rejected" ? [each.reason.code] : []);
    expect(refused).toEqual(["53300"]);
    expect(there).toContain(await ask());
  } finally {
    await database.end();
    await base.superuser.unsafe(`drop role ${role}`);
  }
});

test("while nobody listens every query fails at once, however many there were", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const database = connect(`postgresql://postgres@127.0.0.1:${port}/postgres`);
  for (let time = 0; time < 30; time++) {
    await expect(database`select 1`).rejects.toMatchObject({ code: "ECONNREFUSED" });
  }
  await database.end();
});

describe("when a query takes long", () => {
  test("and the database has fallen silent, those that wait are rejected, and later ones are answered once it speaks again", async () => {
    using line = new Line(base.url);
    const database = connect(line.url, { silenceMs: 300 });
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
    const database = connect(line.url, { silenceMs: 300 });
    expect(await database`select 1 as one`).toEqual([{ one: 1 }]);
    line.isBusy = true;
    const asked = database`select 1 as one`.execute();
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    line.isBusy = false;
    expect(await asked).toEqual([{ one: 1 }]);
    await database.end();
  });

  test("and the database is there, it is waited for", async () => {
    const database = connect(base.url, { silenceMs: 100 });
    expect(await database`select 1 as one from pg_sleep(1)`).toEqual([{ one: 1 }]);
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
        isIn ||= chunk.at(-6) === "Z".charCodeAt(0);
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
