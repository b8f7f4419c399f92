import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { findRedisServer, redisServerArguments } from "../../../supabase/local/redis/find-redis.ts";

describe("the search for redis-server", () => {
  test("finds the first program of that name on the path", async () => {
    const root = await mkdtemp(join(tmpdir(), "phoenix-path-"));
    onTestFinished(() => rm(root, { recursive: true }));
    const folder = (name: string) => join(root, name);
    for (const name of ["empty", "a-folder", "no-program", "program"]) await mkdir(folder(name));
    await mkdir(join(folder("a-folder"), "redis-server"));
    await writeFile(join(folder("no-program"), "redis-server"), "");
    await writeFile(join(folder("program"), "redis-server"), "#!/bin/sh\n");
    await chmod(join(folder("program"), "redis-server"), 0o755);

    await writeFile(folder("a-file"), "");
    const path = ["missing", "a-file", "empty", "a-folder", "no-program"].map(folder);
    expect(findRedisServer([...path, folder("program")].join(":"))).toBe(
      join(folder("program"), "redis-server"),
    );
    expect(findRedisServer(path.join(":"))).toBeUndefined();
    expect(findRedisServer("")).toBeUndefined();
  });
});

test("redis-server serves this machine alone, and keeps what it was given", () => {
  const words = redisServerArguments({ port: 1, dataFolder: "/data" }).join(" ");
  for (const setting of ["bind 127.0.0.1", "protected-mode yes", "dir /data", "appendonly yes"]) {
    expect(words).toContain(`--${setting}`);
  }
});
