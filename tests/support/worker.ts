import { fileURLToPath } from "node:url";
import { denoEnv, denoProgram } from "../../supabase/local/supervisor/deno-program.ts";

const PROGRAM = fileURLToPath(new URL("./worker-program.ts", import.meta.url));

/** A worker in a process of its own. */
export interface WorkerProcess extends AsyncDisposable {
  /** Resolves when it has written this line. */
  said(line: string): Promise<void>;
  /** Its exit code, once it has ended. */
  ended: Promise<number>;
  /** Ends it with SIGKILL, and waits until it is gone. */
  kill(): Promise<void>;
}

/**
 * Starts a worker that drains the queue of a database once.
 *
 * @param manner `stalls`: it says `folding` and hangs in its first event, as an endless loop does; `dies`: it ends on the spot at an
 * event whose payload says `kill`
 */
export function startWorker(url: string, manner: "stalls" | "dies"): WorkerProcess {
  const { command, args } = denoProgram(PROGRAM, [url, manner]);
  const child = new Deno.Command(command, {
    args,
    env: denoEnv({}),
    clearEnv: true,
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let printed = "";
  const waiting = new Map<string, () => void>();
  const reading = (async () => {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      printed += text;
      for (const [line, resolve] of waiting) if (printed.includes(`${line}\n`)) resolve();
    }
  })();
  const ended = child.status.then(({ code }) => code);
  async function kill(): Promise<void> {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await ended;
    await reading;
    await child.stdin.close().catch(() => {});
  }
  return {
    ended,
    kill,
    said(line) {
      if (printed.includes(`${line}\n`)) return Promise.resolve();
      return Promise.race([
        new Promise<void>((resolve) => waiting.set(line, resolve)),
        ended.then((code) => {
          throw new Error(`the worker ended with ${code} and did not say ${line}`);
        }),
      ]);
    },
    [Symbol.asyncDispose]: kill,
  };
}
