import { join } from "node:path";
import { makePrivateFolder } from "./data-folder.ts";
import { reason } from "./stack-error.ts";

/** One line that a service of the stack wrote, or that the stack wrote about itself. */
export interface LogLine {
  service: string;
  text: string;
}

export type LogSink = (line: LogLine) => void;

const LARGEST_KEPT = 5 * 1024 * 1024;

/**
 * Keeps each service's lines in a file of its own under `folder`, prefixed with the time and the service's name, and hands
 * them to `sink` as well. A file that has grown past 5 MiB starts anew at the next boot.
 */
export class StackLog {
  readonly #files = new Map<string, Deno.FsFile>();
  readonly #encoder = new TextEncoder();

  /** @throws StackError when the folder cannot be made */
  constructor(private readonly folder: string, private readonly sink: LogSink = () => {}) {
    makePrivateFolder(folder);
  }

  write(service: string, text: string): void {
    this.sink({ service, text });
    const line = `${new Date().toISOString()} ${service} | ${text}\n`;
    try {
      this.#file(service)?.writeSync(this.#encoder.encode(line));
    } catch (error) {
      this.#leaveOut(error);
    }
  }

  close(): void {
    this.#closed = true;
    for (const file of this.#files.values()) file.close();
    this.#files.clear();
  }

  #closed = false;
  #leavesOut = false;

  /** A full disk costs the line, not the stack, and is told once: every line that follows would tell it again. */
  #leaveOut(error: unknown): void {
    if (this.#leavesOut) return;
    this.#leavesOut = true;
    const text = `what cannot be written to ${this.folder} is left out (${reason(error)})`;
    this.sink({ service: "stack", text });
  }

  #file(service: string): Deno.FsFile | undefined {
    if (this.#closed) return undefined;
    let file = this.#files.get(service);
    if (!file) {
      const path = join(this.folder, `${service}.log`);
      file = Deno.openSync(path, { create: true, write: true, append: true });
      if (file.statSync().size > LARGEST_KEPT) file.truncateSync();
      this.#files.set(service, file);
    }
    return file;
  }
}
