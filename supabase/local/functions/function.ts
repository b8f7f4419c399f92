import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "../ports.ts";
import { denoProgram } from "../supervisor/deno-program.ts";
import { Service } from "../supervisor/service.ts";

const HOST = fileURLToPath(new URL("./host.ts", import.meta.url));

// What the edge runtime allows, and its memory.
const PERMISSIONS = ["--allow-net", "--allow-env", "--allow-read"];
const MEMORY = "--v8-flags=--max-old-space-size=256";

/** A process that serves a function, and how many requests it has not answered yet. */
interface Instance {
  readonly service: Service;
  readonly origin: string;
  underWay: number;
}

/** One function: the processes that serve it, replaced by others when its source has changed. */
export class EdgeFunction {
  #instances: readonly Instance[] = [];
  #reloading: Promise<void> = Promise.resolve();

  constructor(
    readonly name: string,
    private readonly folder: string,
    private readonly env: Record<string, string>,
    /** How many processes serve it. The platform starts as many as it takes; none knows what another has in memory. */
    private readonly count: number,
  ) {}

  /**
   * Has a request answered by the instance that has the fewest under way.
   *
   * @param send sends it to an origin
   * @returns nothing while no instance listens
   */
  ask(send: (origin: string) => Promise<Response>): Promise<Response> | undefined {
    const [first, ...others] = this.#instances.filter(({ service }) => service.pid !== undefined);
    if (!first) return undefined;
    const idlest = others.reduce(
      (best, each) => each.underWay < best.underWay ? each : best,
      first,
    );
    idlest.underWay++;
    return send(idlest.origin).finally(() => idlest.underWay--);
  }

  /**
   * Serves the source as it is now. The processes before go on serving until the new ones do, and for good if the new source
   * cannot be started.
   */
  reload(): Promise<void> {
    this.#reloading = this.#reloading.then(() => this.#replace());
    return this.#reloading;
  }

  async stop(): Promise<void> {
    await this.#reloading;
    await stopAll(this.#instances);
    this.#instances = [];
  }

  async #replace(): Promise<void> {
    const instances = Array.from({ length: this.count }, () => this.#newInstance());
    try {
      await Promise.all(instances.map(({ service }) => service.start()));
    } catch (error) {
      console.error(error instanceof Error ? error.message : error);
      await stopAll(instances);
      return;
    }
    const before = this.#instances;
    this.#instances = instances;
    await stopAll(before);
  }

  #newInstance(): Instance {
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
    return { service, origin: `http://127.0.0.1:${port}`, underWay: 0 };
  }
}

async function stopAll(instances: readonly Instance[]): Promise<void> {
  await Promise.all(instances.map(({ service }) => service.stop()));
}

async function accepts(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch {
    return false;
  }
}
