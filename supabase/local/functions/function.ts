import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { denoProgram } from "../supervisor/deno-program.ts";
import { Service } from "../supervisor/service.ts";

const HOST = fileURLToPath(new URL("./host.ts", import.meta.url));

// What the edge runtime allows, and its memory.
const PERMISSIONS = ["--allow-net", "--allow-env", "--allow-read"];
const MEMORY = "--v8-flags=--max-old-space-size=256";

const BOOT_WITHIN_MS = 10_000;
/**
 * For how long a process that is replaced may go on answering before it is told to end, and go on then with what nobody waits for any
 * more, such as a worker's work: the platform's wall clock limit, 150 s (https://supabase.com/docs/guides/functions/limits).
 */
const RETIRED_WITHIN_MS = 150_000;

/** A process that serves a function, and the requests that it has not answered yet. */
interface Instance {
  readonly service: Service;
  /** Where it listens, as it said itself: a port chosen for it beforehand could be taken by now. Nothing while it boots. */
  origin: string | undefined;
  readonly underWay: Set<Promise<Response>>;
}

/** One function: the processes that serve it, replaced by others when its source has changed. */
export class EdgeFunction {
  #instances: readonly Instance[] = [];
  /** Those that were replaced and are not done yet. */
  readonly #retired = new Set<Instance>();
  #reloading: Promise<void> = Promise.resolve();

  constructor(
    readonly name: string,
    private readonly folder: string,
    private readonly env: Record<string, string>,
    /** How many processes serve it. The platform starts as many as it needs; none knows what another has in memory. */
    private readonly count: number,
  ) {}

  /**
   * Has a request answered by the instance with the fewest requests under way; where none listens, it waits for those that boot.
   *
   * @param send sends it to an origin
   * @returns nothing where no instance listens
   */
  async ask(send: (origin: string) => Promise<Response>): Promise<Response | undefined> {
    if (this.#listening.length === 0) await this.#reloading;
    const [first, ...others] = this.#listening;
    if (!first) return undefined;
    const idlest = others.reduce(
      (best, each) => each.underWay.size < best.underWay.size ? each : best,
      first,
    );
    const answer = send(idlest.origin!);
    idlest.underWay.add(answer);
    return answer.finally(() => idlest.underWay.delete(answer));
  }

  /**
   * Serves the source as it is now. The old processes go on serving until the new ones do, and for good if the new source cannot
   * be started.
   */
  reload(): Promise<void> {
    this.#reloading = this.#reloading.then(() => this.#replace());
    return this.#reloading;
  }

  async stop(): Promise<void> {
    await this.#reloading;
    await stopAll([...this.#instances, ...this.#retired]);
    this.#instances = [];
  }

  get #listening(): Instance[] {
    return this.#instances.filter(({ origin }) => origin !== undefined);
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
    for (const replaced of this.#instances) void this.#retire(replaced);
    this.#instances = instances;
  }

  async #retire(instance: Instance): Promise<void> {
    this.#retired.add(instance);
    // One that is told to end lets nobody in any more: what was just sent to it would be refused.
    await allAnswered(instance);
    await instance.service.stop(RETIRED_WITHIN_MS);
    this.#retired.delete(instance);
  }

  #newInstance(): Instance {
    const say = (text: string) => console.log(`${this.name}: ${text}`);
    // By which its host's line is told from what the function itself writes.
    const mark = crypto.randomUUID();
    const service = new Service(
      {
        name: this.name,
        ...denoProgram(HOST, [join(this.folder, "index.ts"), mark], [
          ...PERMISSIONS,
          MEMORY,
        ]),
        env: this.env,
        isReady: () => Promise.resolve(instance.origin !== undefined),
        readyWithinMs: BOOT_WITHIN_MS,
        stopSignal: "SIGTERM",
        // A process that spins runs no timer and handles no signal.
        tetherSignal: "SIGKILL",
      },
      (line) => {
        const [written, port] = line.split(`${mark} `) as [string, string?];
        // What the function began to write before it is on the same line.
        if (written !== "") say(written);
        if (port !== undefined) instance.origin = `http://127.0.0.1:${port}`;
      },
      (text) => {
        instance.origin = undefined;
        say(text);
      },
    );
    const instance: Instance = { service, origin: undefined, underWay: new Set() };
    return instance;
  }
}

/** Resolves once it has answered what it was asked, or has had its time. */
async function allAnswered({ underWay }: Instance): Promise<void> {
  const { promise: timeout, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, RETIRED_WITHIN_MS);
  await Promise.race([Promise.allSettled(underWay), timeout]);
  clearTimeout(timer);
}

async function stopAll(instances: readonly Instance[]): Promise<void> {
  await Promise.all(instances.map(({ service }) => service.stop()));
}
