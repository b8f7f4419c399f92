import { TextLineStream } from "./text-lines.ts";
import { tether } from "./tether.ts";
import { StackError } from "../stack-error.ts";

/** What a service is: how its process starts, how one knows that it serves, how it ends. */
export interface ServiceDefinition {
  name: string;
  command: string;
  args: string[];
  env: Record<string, string>;
  cwd?: string;
  uid?: number;
  gid?: number;
  /**
   * Resolves to true once the service serves; asked again and again until then. Any failure means not yet, but for a StackError,
   * which ends the wait.
   */
  isReady: () => Promise<boolean>;
  /** How long that may take; 30 s without. */
  readyWithinMs?: number;
  /** How it is asked to stop. */
  stopSignal: Deno.Signal;
  /** Ends it once the supervisor is gone, for a process that may not notice that itself: a foreign program, or one that may hang. */
  tetherSignal?: Deno.Signal;
  /** Turns the last lines of a process that ended while starting into a sentence for people, where it knows one. */
  explainFailure?: (lastLines: string[]) => string | undefined;
}

/** A service as the users of a stack see it. */
export interface ServiceHandle {
  /** The process id, or undefined while there is no process. */
  readonly pid: number | undefined;
  kill(signal: Deno.Signal): void;
  stop(): Promise<void>;
  start(): Promise<void>;
  restart(): Promise<void>;
}

const READY_WITHIN_MS = 30_000;
const STOP_WITHIN_MS = 5_000;
const LAST_LINES_WITHIN_MS = 1_000;
const SHORTEST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
const HEALTHY_AFTER_MS = 10_000;
const LINES_KEPT = 20;

/**
 * Keeps one process running. A process that ends without having been asked to is started again, after pauses that double from
 * 0.1 s to 5 s.
 */
export class Service implements ServiceHandle {
  #wanted = false;
  #process: Deno.ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #lastLines: string[] = [];
  #lastStatus = "";
  #wake: () => void = () => {};

  constructor(
    private readonly definition: ServiceDefinition,
    private readonly log: (text: string) => void,
    private readonly logSupervision: (text: string) => void,
  ) {}

  get name(): string {
    return this.definition.name;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  kill(signal: Deno.Signal): void {
    this.#process?.kill(signal);
  }

  /**
   * Starts the process and waits until it serves.
   *
   * @throws StackError when it ends before, or does not serve in time
   */
  async start(): Promise<void> {
    if (this.#wanted) return;
    this.#wanted = true;
    let firstEnded = false;
    const firstEnd = this.#spawn().then(() => {
      firstEnded = true;
    });
    let hopeless: StackError | undefined;
    const serving = this.#untilReady(firstEnd).catch((error) => {
      hopeless = error;
      return false;
    });
    this.#ended = this.#supervise(firstEnd, serving);
    if (await serving) return;
    // Where it was stopped, its last lines are no cause.
    const failure = this.#wanted
      ? hopeless ?? new StackError(this.#failure(firstEnded))
      : new StackError(`${this.name} was stopped while it was starting.`);
    await this.stop();
    throw failure;
  }

  /** Tells the process to end, and kills it where it has not by then. */
  async stop(withinMs = STOP_WITHIN_MS): Promise<void> {
    this.#wanted = false;
    this.#wake();
    const process = this.#process;
    if (process) {
      signalIfAlive(process, this.definition.stopSignal);
      const timer = setTimeout(() => signalIfAlive(process, "SIGKILL"), withinMs);
      await this.#ended;
      clearTimeout(timer);
    } else {
      await this.#ended;
    }
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** Starts the process; the promise resolves when it has ended. */
  async #spawn(): Promise<void> {
    const { command, args, env, cwd, uid, gid, tetherSignal } = this.definition;
    this.#lastLines = [];
    const spawning = new Deno.Command(command, {
      args,
      env,
      clearEnv: true,
      ...(cwd === undefined ? {} : { cwd }),
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      // A group of its own: Ctrl-C in the terminal reaches the supervisor alone, which stops its services in order.
      detached: true,
    });
    let process;
    try {
      process = spawning.spawn();
    } catch (error) {
      this.#lastLines.push(String(error));
      this.#lastStatus = "it cannot be started";
      return;
    }
    this.#process = process;
    const cutTether = tetherSignal ? tether(process.pid, tetherSignal) : undefined;
    const outlived = new AbortController();
    const reading = Promise.all([
      this.#read(process.stdout, outlived.signal),
      this.#read(process.stderr, outlived.signal),
    ]);
    const { code, signal } = await process.status;
    this.#lastStatus = signal ?? `exit code ${code}`;
    this.#process = undefined;
    await cutTether?.();
    // Processes that it has left running, such as a killed server's backends, may hold its output open for long.
    const timer = setTimeout(() => outlived.abort(), LAST_LINES_WITHIN_MS);
    await reading;
    clearTimeout(timer);
  }

  async #supervise(firstEnd: Promise<void>, firstServing: Promise<boolean>): Promise<void> {
    let startedAt = performance.now();
    let pause = SHORTEST_PAUSE_MS;
    await firstEnd;
    // A process that never served is for the caller of start() to deal with.
    if (!await firstServing) return;
    while (this.#wanted) {
      if (performance.now() - startedAt > HEALTHY_AFTER_MS) pause = SHORTEST_PAUSE_MS;
      this.logSupervision(
        `${this.name} ended unexpectedly (${this.#lastStatus}): starting it again`,
      );
      await this.#pause(pause);
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
      if (!this.#wanted) return;
      startedAt = performance.now();
      await this.#spawn();
    }
  }

  /** @param end of the process, after which nobody needs to ask any more, nor to wait for an answer that may never come */
  async #untilReady(end: Promise<void>): Promise<boolean> {
    const tooLate = Promise.withResolvers<void>();
    const timer = setTimeout(tooLate.resolve, this.#readyWithinMs);
    let over = false;
    const givenUp = Promise.race([end, tooLate.promise]).then(() => {
      over = true;
      return false;
    });
    try {
      while (!over && this.#wanted) {
        const ready = this.definition.isReady().catch((error) => {
          if (error instanceof StackError) throw error;
          return false;
        });
        if (await Promise.race([ready, givenUp])) return true;
        await new Promise((resolve) => setTimeout(resolve, 15));
      }
      return false;
    } finally {
      clearTimeout(timer);
    }
  }

  #failure(ended: boolean): string {
    const explained = ended ? this.definition.explainFailure?.(this.#lastLines) : undefined;
    if (explained) return explained;
    const cause = causeIn(this.#lastLines);
    const what = ended
      ? "ended while starting"
      : `did not serve within ${this.#readyWithinMs / 1000} s`;
    return `${this.name} ${what}${cause ? `: ${cause}` : "."}`;
  }

  get #readyWithinMs(): number {
    return this.definition.readyWithinMs ?? READY_WITHIN_MS;
  }

  /** @param enough ends it before the stream's end */
  async #read(
    stream: ReadableStream<Uint8Array<ArrayBuffer>>,
    enough: AbortSignal,
  ): Promise<void> {
    const lines = stream.pipeThrough(new TextDecoderStream(), { signal: enough })
      .pipeThrough(new TextLineStream());
    try {
      for await (const line of lines) {
        this.#lastLines.push(line);
        if (this.#lastLines.length > LINES_KEPT) this.#lastLines.shift();
        this.log(line);
      }
    } catch (error) {
      if (!enough.aborted) throw error;
    }
  }

  #pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** The one of a process's last lines that most likely says why it failed. */
export function causeIn(lastLines: readonly string[]): string | undefined {
  // Indented lines say where: the source and the calls that led there.
  const said = lastLines.filter((line) => !/^\s/.test(line));
  return said.findLast((line) => /FATAL|PANIC|could not|error/i.test(line)) ?? lastLines.at(-1);
}

function signalIfAlive(process: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    process.kill(signal);
  } catch {
    // It has ended already.
  }
}
