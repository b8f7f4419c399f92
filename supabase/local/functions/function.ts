import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "../ports.ts";
import { denoProgram } from "../supervisor/deno-program.ts";
import { Service } from "../supervisor/service.ts";

const HOST = fileURLToPath(new URL("./host.ts", import.meta.url));

// What the edge runtime allows, and its memory.
const PERMISSIONS = ["--allow-net", "--allow-env", "--allow-read"];
const MEMORY = "--v8-flags=--max-old-space-size=256";

/** One function: a process that serves it, replaced by another when its source has changed. */
export class EdgeFunction {
  #current: { service: Service; origin: string } | undefined;
  #reloading: Promise<void> = Promise.resolve();

  constructor(
    readonly name: string,
    private readonly folder: string,
    private readonly env: Record<string, string>,
  ) {}

  /** Where it listens, or undefined while it does not. */
  get origin(): string | undefined {
    return this.#current?.service.pid === undefined ? undefined : this.#current.origin;
  }

  /**
   * Serves the source as it is now. The process before goes on serving until the new one does, and for good if the new source
   * cannot be started.
   */
  reload(): Promise<void> {
    this.#reloading = this.#reloading.then(() => this.#replace());
    return this.#reloading;
  }

  async stop(): Promise<void> {
    await this.#reloading;
    await this.#current?.service.stop();
    this.#current = undefined;
  }

  async #replace(): Promise<void> {
    const port = freePort();
    const say = (text: string) => console.log(`${this.name}: ${text}`);
    const service = new Service(
      {
        name: this.name,
        ...denoProgram(HOST, [join(this.folder, "index.ts"), String(port)], [
          ...PERMISSIONS,
          MEMORY,
        ]),
        env: this.env,
        isReady: () => accepts(port),
        stopSignal: "SIGTERM",
      },
      say,
      say,
    );
    try {
      await service.start();
    } catch (error) {
      console.error(error instanceof Error ? error.message : error);
      return;
    }
    const before = this.#current;
    this.#current = { service, origin: `http://127.0.0.1:${port}` };
    await before?.service.stop();
  }
}

async function accepts(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch {
    return false;
  }
}
