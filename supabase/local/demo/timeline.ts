import { styleText } from "node:util";

const screenWidth = 72;

/** A story told to a terminal as it happens: chapters, moments of the day, and what was seen. */
export class Timeline {
  readonly #startedAt = performance.now();

  chapter(title: string): void {
    console.log(`\n${styleText("bold", title)}`);
  }

  /** Something a person or an app did, at an hour of the story's day. */
  moment(hour: string, text: string): void {
    console.log(`\n  ${styleText("cyan", hour.padEnd(6))} ${text}`);
  }

  /** What came of it. */
  seen(text: string): void {
    console.log(`         ${styleText("dim", "→")} ${text}`);
  }

  /** What a user reads on their screen. */
  screen(title: string, texts: readonly string[]): void {
    const frame = (text: string) => styleText("yellow", text);
    const lines = texts.flatMap((text) => wrap(text, screenWidth));
    const width = Math.max(title.length, ...lines.map((line) => line.length));
    console.log(`         ${frame(`┌${"─".repeat(width + 2)}┐`)}`);
    for (const line of [styleText("bold", title.padEnd(width)), ...lines]) {
      console.log(`         ${frame("│")} ${line.padEnd(width)} ${frame("│")}`);
    }
    console.log(`         ${frame(`└${"─".repeat(width + 2)}┘`)}`);
  }

  /** A claim that the demo has just checked. */
  proved(text: string): void {
    console.log(`         ${styleText("green", "✓")} ${text}`);
  }

  elapsedSeconds(): string {
    return ((performance.now() - this.#startedAt) / 1000).toFixed(1);
  }
}

function wrap(text: string, width: number): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1)!;
    if (line !== "" && line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines;
}

/** @throws Error with the claim where it does not hold: a demo that cannot fail shows nothing */
export function expect(holds: boolean, claim: string): asserts holds {
  if (!holds) throw new Error(`the demo expected that ${claim}`);
}

/** Asks again and again until there is an answer. @throws Error with the claim after the patience has gone */
export async function until<T>(
  ask: () => Promise<T | undefined>,
  claim: string,
  patienceMs = 20_000,
): Promise<{ answer: T; ms: number }> {
  const startedAt = performance.now();
  while (performance.now() - startedAt < patienceMs) {
    const answer = await ask();
    if (answer !== undefined) return { answer, ms: Math.round(performance.now() - startedAt) };
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`the demo waited for ${patienceMs / 1000} s until ${claim}`);
}
