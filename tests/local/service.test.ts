import { expect, onTestFailed, test } from "vitest";
import { isServing } from "../../supabase/local/postgres/connect.ts";
import { Service } from "../../supabase/local/supervisor/service.ts";
import { eventually } from "../support/eventually.ts";
import { alive } from "../support/processes.ts";

function serviceWithoutAnAnswer(command: string, readyWithinMs = 30_000): Service {
  return new Service(
    {
      name: "silent",
      command: "/bin/sh",
      args: ["-c", command],
      env: {},
      isReady: () => new Promise(() => {}),
      readyWithinMs,
      stopSignal: "SIGTERM",
    },
    () => {},
    () => {},
  );
}

test("a process that ends while it is being asked whether it serves ends the wait", async () => {
  await expect(serviceWithoutAnAnswer("echo why; exit 1").start()).rejects.toThrow(
    "silent ended while starting: why",
  );
});

test("of what a process says before it ends, the error counts, not where in the source it was", async () => {
  const says = [
    "error: Uncaught Error: this is why",
    "  throw new Error()",
    "    at onError (main.ts:16:16)",
  ];
  const service = serviceWithoutAnAnswer(`printf '%s\\n' '${says.join("' '")}'; exit 1`);
  await expect(service.start()).rejects.toThrow(/ended while starting: .*this is why$/);
});

test("a process that goes on and never serves is not said to have ended", async () => {
  const service = serviceWithoutAnAnswer(
    "trap 'echo error: stopped; exit' TERM; echo waiting; while :; do sleep 0.1; done",
    // Time enough for it to say something on a busy machine.
    5_000,
  );
  await expect(service.start()).rejects.toThrow("silent did not serve within 5 s: waiting");
});

test("a service that is being asked whether it serves can be stopped", async () => {
  const service = serviceWithoutAnAnswer("exec sleep 60");
  const started = expect(service.start()).rejects.toThrow("stopped while it was starting");
  await service.stop();
  await started;
});

test("what a killed process has left, and what holds its output, keeps it neither from being started again nor stopped", async () => {
  const left: number[] = [];
  const told: string[] = [];
  const service = new Service(
    {
      name: "parent",
      command: "/bin/sh",
      args: ["-c", "sleep 30 & echo $!; exec sleep 30"],
      env: {},
      isReady: () => Promise.resolve(left.length > 0),
      stopSignal: "SIGTERM",
    },
    (line) => left.push(Number(line)),
    (line) => told.push(line),
  );
  try {
    await service.start();
    service.kill("SIGKILL");
    await eventually(() => left.length === 2);
    expect(told).toEqual(["parent ended unexpectedly (SIGKILL): starting it again"]);
    await service.stop();
    expect(await alive(left), "what holds the output was not waited for").toEqual(left);
  } finally {
    for (const pid of left) Deno.kill(pid, "SIGKILL");
    await service.stop();
  }
});

test("what listens on the database's port and is no database does not serve", async () => {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response(),
  );
  expect(await isServing(`postgresql://a:b@127.0.0.1:${server.addr.port}/postgres`)).toBe(false);
});

test("a process that does not heed its stop signal is ended all the same", async () => {
  let isDeaf = false;
  const service = new Service(
    {
      name: "deaf",
      command: "/bin/sh",
      args: ["-c", "trap '' TERM; echo deaf; while :; do sleep 0.1; done"],
      env: { PATH: Deno.env.get("PATH") ?? "" },
      isReady: () => Promise.resolve(isDeaf),
      stopSignal: "SIGTERM",
    },
    () => isDeaf = true,
    () => {},
  );
  await service.start();
  const pid = service.pid!;
  onTestFailed(() => Deno.kill(pid, "SIGKILL"));
  await service.stop();
  expect(() => Deno.kill(pid, "SIGTERM")).toThrow(Deno.errors.NotFound);
});
