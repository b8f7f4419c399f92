import { afterEach, expect, test, vi } from "vitest";
import { callLoopbackDirectly } from "../../supabase/local/loopback.ts";

afterEach(() => {
  vi.unstubAllEnvs();
});

test.each([
  [undefined, undefined, "127.0.0.1,localhost"],
  ["", undefined, "127.0.0.1,localhost"],
  ["localhost,db.example", undefined, "localhost,db.example,127.0.0.1"],
  [undefined, "db.example", "db.example,127.0.0.1,localhost"],
])(
  "who is called without the proxy stays so, and this machine with them: %s, %s",
  (upper, lower, direct) => {
    vi.stubEnv("NO_PROXY", upper);
    vi.stubEnv("no_proxy", lower);
    callLoopbackDirectly();
    expect(Deno.env.get("NO_PROXY")).toBe(direct);
  },
);
