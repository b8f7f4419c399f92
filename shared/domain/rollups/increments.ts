/** What is counted; flywheel.figures() in SQL defines each. */
export type Figure =
  | "event"
  | "first_event"
  | "last_event"
  | "retention"
  | "exploring"
  | "exploration_completed"
  | "exploration_time"
  | "step"
  | "exit"
  | "job"
  | "satisfaction"
  | "products"
  | "revenue"
  | "transition"
  | "transition_asked"
  | "transition_taken"
  | "transition_time"
  | "transition_return";

/** What a figure is counted by. */
export interface Cell {
  figure: Figure;
  /** The UTC day, in days since 1970. */
  day: number;
  /** "" where the figure is not counted by app. */
  app_source?: string;
  /** What else it is counted by. */
  key?: string;
}

/** What is added to a cell, or taken from it. */
export interface Amounts {
  count: number;
  users?: number;
  /** Microseconds, cents or hundredths: a safe integer. */
  total?: number;
  /** A duration that is remembered by itself, for percentiles; forgotten where `count` is negative. */
  seconds?: number;
}

export type Add = (cell: Cell, amounts: Amounts) => void;

interface Sum {
  cell: Cell;
  count: number;
  users: number;
  total: number;
  /** What would take the total beyond the integers that a number holds exactly. */
  totalBeyond: bigint;
  /** By duration: how often it is to be remembered, less how often it is to be forgotten. */
  seconds: Map<number, number>;
}

/** Sums of what one commit adds to the rollups, over all its users. */
export class Increments {
  readonly #sums = new Map<string, Sum>();

  readonly add: Add = (cell, { count, users = 0, total = 0, seconds }) => {
    const sum = this.#sumOf(cell);
    sum.count += count;
    sum.users += users;
    if (Number.isSafeInteger(sum.total + total)) sum.total += total;
    else sum.totalBeyond += BigInt(total);
    if (seconds !== undefined) {
      sum.seconds.set(seconds, (sum.seconds.get(seconds) ?? 0) + Math.sign(count));
    }
  };

  /**
   * As `flywheel.rollup_increments` keeps them: an array of [figure, day, app, key, count, users, total], with two arrays of seconds
   * where there are any, those to remember and those to forget.
   */
  toJson(): string {
    const rows: unknown[][] = [];
    for (const sum of this.#sums.values()) {
      const { cell, count, users, seconds } = sum;
      const total = sum.totalBeyond + BigInt(sum.total);
      const [remembered, forgotten] = [repeat(seconds, 1), repeat(seconds, -1)];
      const hasSeconds = remembered.length > 0 || forgotten.length > 0;
      if (count === 0 && users === 0 && total === 0n && !hasSeconds) continue;
      const { figure, day, app_source = "", key = "" } = cell;
      const row = [figure, day, app_source, key, count, users, total.toString()];
      rows.push(hasSeconds ? [...row, remembered, forgotten] : row);
    }
    return JSON.stringify(rows);
  }

  #sumOf(cell: Cell): Sum {
    // None of the parts before the last can hold a line break.
    const { figure, day, app_source = "", key = "" } = cell;
    const name = `${figure}\n${day}\n${app_source}\n${key}`;
    let sum = this.#sums.get(name);
    if (!sum) {
      sum = { cell, count: 0, users: 0, total: 0, totalBeyond: 0n, seconds: new Map() };
      this.#sums.set(name, sum);
    }
    return sum;
  }
}

/** The durations to remember (sign 1) or to forget (-1), each as many times as that is to be done. */
function repeat(seconds: ReadonlyMap<number, number>, sign: 1 | -1): number[] {
  return [...seconds].flatMap(([second, times]) =>
    new Array<number>(Math.max(0, sign * times)).fill(second)
  );
}
