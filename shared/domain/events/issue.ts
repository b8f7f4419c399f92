import type { z } from "zod";

/** Why a payload is refused: where, and what was expected there. Never says what stood there instead. */
export interface Issue {
  /** Where, as one would write it in code: `payload.compétences[2].nom`. */
  readonly field: string;
  /** What was expected, in English: `must be a number from 0 to 1`. */
  readonly message: string;
}

/** No refusal lists more issues than this: a publisher mends a few at a time. */
export const maximumIssues = 20;

const identifier = /^[\p{ID_Start}_$][\p{ID_Continue}$]*$/u;
const maximumFieldLength = 200;

/** The field at a path below the payload, as one would write it in code. */
export function fieldAt(path: readonly PropertyKey[]): string {
  let field = "payload";
  for (const step of path) {
    if (typeof step === "number") field += `[${step}]`;
    else if (identifier.test(String(step))) field += `.${String(step)}`;
    else field += `[${JSON.stringify(String(step))}]`;
    if (field.length > maximumFieldLength) {
      return `${field.slice(0, maximumFieldLength).toWellFormed()}…`;
    }
  }
  return field;
}

/** zod's issues as ours. Of a union, the issues of the branch that the value was closest to. */
export function issuesOf(
  errors: readonly z.core.$ZodIssue[],
  path: readonly PropertyKey[] = [],
): Issue[] {
  const issues: Issue[] = [];
  for (const error of errors) {
    if (issues.length >= maximumIssues) break;
    const place = [...path, ...error.path];
    const closest = error.code === "invalid_union" ? closestBranch(error.errors) : undefined;
    if (closest) issues.push(...issuesOf(closest, place));
    else issues.push({ field: fieldAt(place), message: error.message });
  }
  return issues.slice(0, maximumIssues);
}

/** The branch whose type the value has: what is wrong there is wrong further inside. */
function closestBranch(
  branches: readonly (readonly z.core.$ZodIssue[])[],
): readonly z.core.$ZodIssue[] | undefined {
  return branches.find((branch) =>
    branch.length > 0 && branch.every((issue) => issue.path.length > 0)
  );
}
