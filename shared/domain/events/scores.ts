import { fieldAt, type Issue, maximumIssues } from "./issue.ts";

/** The inclusive bounds of a number. */
export interface Scale {
  readonly min: number;
  readonly max: number;
}

/** A part of a whole: 0 is nothing, 1 is all of it. */
export const share: Scale = { min: 0, max: 1 };
/** How well a CV passes an applicant tracking system. */
export const atsScale: Scale = { min: 0, max: 100 };
/** A mood that a user reports: 1 is the lowest. */
export const moodScale: Scale = { min: 1, max: 10 };
/** Stars: 1 is the worst. */
export const satisfactionScale: Scale = { min: 1, max: 5 };

/** Which keys promise which scale, wherever in a catalogued payload they stand. */
const rules: readonly { keys: RegExp; scale: Scale }[] = [
  { keys: /^score_|^match_score$|^personalization_score$/, scale: share },
  { keys: /^ats_score$/, scale: atsScale },
  { keys: /^mood_/, scale: moodScale },
  { keys: /^satisfaction$/, scale: satisfactionScale },
];

/** What a number on a scale must be, in words. */
export function expected({ min, max }: Scale): string {
  return `a number from ${min} to ${max}`;
}

/**
 * The scores that are off their scale, at any depth of a payload, whether its schema knows them or
 * not. Only numbers are scores: a `mood_note` may be a text.
 *
 * @param value a JSON value that nests no deeper than the stack allows.
 */
export function scoreIssues(
  value: object,
  path: PropertyKey[] = [],
  issues: Issue[] = [],
): Issue[] {
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      if (typeof value[index] === "object") check(index, value[index], path, issues);
    }
  } else {
    for (const [key, child] of Object.entries(value)) {
      if (typeof child === "object" || typeof child === "number") check(key, child, path, issues);
    }
  }
  return issues;
}

function check(key: string | number, child: unknown, path: PropertyKey[], issues: Issue[]): void {
  if (issues.length >= maximumIssues) return;
  if (typeof child === "number") {
    const scale = scaleOf(String(key));
    if (scale && !(child >= scale.min && child <= scale.max)) {
      issues.push({ field: fieldAt([...path, key]), message: `must be ${expected(scale)}` });
    }
  } else if (typeof child === "object" && child !== null) {
    path.push(key);
    scoreIssues(child, path, issues);
    path.pop();
  }
}

/** Publishers use few keys, short ones, and each means the same every time. Bounded, because they choose them. */
const scalesByKey = new Map<string, Scale | undefined>();
const most = { keys: 10_000, length: 64 };

function scaleOf(key: string): Scale | undefined {
  if (scalesByKey.has(key)) return scalesByKey.get(key);
  const scale = rules.find((rule) => rule.keys.test(key))?.scale;
  if (scalesByKey.size < most.keys && key.length <= most.length) scalesByKey.set(key, scale);
  return scale;
}

const self = { $ref: "#/$defs/scores" } as const;

/** The same rules as a JSON Schema, which calls itself `#/$defs/scores`. */
export const scoresJsonSchema = {
  description: "Scores keep to their scale wherever they stand; other values are free.",
  patternProperties: Object.fromEntries(
    rules.map(({ keys, scale: { min, max } }) => [
      keys.source,
      { minimum: min, maximum: max, ...self },
    ]),
  ),
  additionalProperties: self,
  items: self,
} as const;
