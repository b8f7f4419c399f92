import { expect, test } from "vitest";
import { isServing } from "../../supabase/local/postgres/connect.ts";
import { Service } from "../../supabase/local/supervisor/service.ts";

function serviceWithoutAnAnswer(command: string): Service {
  return new Service(
    {
      name: "silent",
      command: "/bin/sh",
      args: ["-c", command],
      env: {},
      isReady: () => new Promise(() => {}),
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

test("a service that is being asked whether it serves can be stopped", async () => {
  const service = serviceWithoutAnAnswer("exec sleep 60");
  const started = expect(service.start()).rejects.toThrow("stopped while it was starting");
  await service.stop();
  await started;
});

test("what listens on the database's port and is no database does not serve", async () => {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response(),
  );
  expect(await isServing(`postgresql://a:b@127.0.0.1:${server.addr.port}/postgres`)).toBe(false);
});
