/**
 * Counts the tests of a run: `count-tests.ts <vitest's JSON report> <vitest's exit code>`. A file that could not be loaded or set up
 * counts as one failure, and so does an error outside of all tests.
 */
import { z } from "zod";

const Report = z.object({
  numPassedTests: z.number(),
  testResults: z.array(z.object({
    status: z.string(),
    assertionResults: z.array(z.object({ status: z.string() })),
  })),
});

const [path = "", exitCode = ""] = Deno.args;
// Empty where vitest did not live to write it.
const text = await Deno.readTextFile(path) || '{ "numPassedTests": 0, "testResults": [] }';
const { numPassedTests, testResults } = Report.parse(JSON.parse(text));
const failures = testResults.map(({ status, assertionResults }) => {
  const failed = assertionResults.filter((test) => test.status === "failed").length;
  return status === "failed" ? Math.max(failed, 1) : failed;
});
const failed = failures.reduce((total, each) => total + each, 0);
console.log(`${numPassedTests} passed, ${failed || (exitCode === "0" ? 0 : 1)} failed`);
