import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, expect } from "vitest";
import { asAnalyst } from "../../supabase/tools/report/as-analyst.ts";
import { cohortsOf } from "../../supabase/tools/report/cohorts.ts";
import { type Figures, readFigures } from "../../supabase/tools/report/figures.ts";
import { startChromium, testWithChromium } from "../support/chromium.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { awayFromMidnight } from "../support/midnight.ts";
import { runReport } from "../support/report-command.ts";
import { HOSTILE_JOB, writeHistory } from "../support/report-history.ts";
import { tempFolder } from "../support/temp-folder.ts";

let folder: Awaited<ReturnType<typeof tempFolder>>;
let base: TestDatabase;
let empty: TestDatabase;
let browser: Browser | undefined;

beforeAll(async () => {
  folder = await tempFolder();
  base = await testDatabase();
  empty = await testDatabase();
  await writeHistory(base);
});

afterAll(async () => {
  await browser?.close();
  await base[Symbol.asyncDispose]();
  await empty[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

beforeEach(() => awayFromMidnight());

/** Makes the report and opens it on a device, cut off from every network: returns it, what it asked for besides itself, and its errors. */
async function opened(
  { url }: TestDatabase,
  device: BrowserContextOptions = {},
): Promise<{ page: Page; asked: string[]; errors: string[] }> {
  const file = join(folder.path, `${crypto.randomUUID()}.html`);
  const { code, stderr } = await runReport(folder.path, ["--db", url, "--out", file]);
  expect(stderr).toBe("");
  expect(code).toBe(0);

  browser ??= await startChromium();
  const context = await browser.newContext({ ...device, offline: true });
  const page = await context.newPage();
  const address = pathToFileURL(file).href;
  const asked: string[] = [];
  const errors: string[] = [];
  page.on("request", (request) => {
    if (request.url() !== address) asked.push(request.url());
  });
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => errors.push(message.text()));
  await page.goto(address);
  return { page, asked, errors };
}

/** The texts that a plot shows, which has to be there, visible and of a size that can be read. */
async function textsOf(page: Page, id: string): Promise<string[]> {
  const plot = page.locator(`figure#${id} svg`);
  expect(await plot.count(), id).toBe(1);
  expect(await plot.isVisible(), id).toBe(true);
  const box = await plot.boundingBox();
  expect(box!.width, id).toBeGreaterThan(300);
  expect(box!.height, id).toBeGreaterThan(100);
  return await plot.locator("text").allTextContents();
}

testWithChromium("a database in which nothing happened gives a page that says so", async () => {
  const { page, asked, errors } = await opened(empty);
  expect(await page.locator("svg").count()).toBe(0);
  expect(await page.locator(".empty").allTextContents()).toEqual([
    "No event happened in this period.",
    "No exploration began in these weeks.",
    "Nobody came for the first time in these weeks.",
    "No nudge was sent in this period.",
  ]);
  expect(await page.locator("dd.value").allTextContents())
    .toEqual(["0", "0", "–", "–", "–", "–", "–", "–"]);
  expect([...asked, ...errors]).toEqual([]);
});

testWithChromium("markup that came into the page all the same could do nothing", async () => {
  const { page } = await opened(empty);
  const title = await page.title();
  const file = fileURLToPath(page.url());
  const made = await Deno.readTextFile(file);
  const elsewhere = "https://elsewhere.example";
  const attack = `
    <base href="${elsewhere}/">
    <link rel="stylesheet" href="${elsewhere}/style">
    <script>document.title = "owned"</script>
    <img src="${elsewhere}/image" onerror="document.title = 'owned'">
    <iframe src="${elsewhere}/frame"></iframe>
    <form action="${elsewhere}/form"></form>
  `;
  await Deno.writeTextFile(file, made.replace("<main>", `<main>${attack}`));
  await page.addInitScript(`
    globalThis.refused = [];
    addEventListener("securitypolicyviolation", ({ effectiveDirective }) => refused.push(effectiveDirective));
  `);
  await page.reload();
  expect(await page.title()).toBe(title);
  expect(await page.evaluate("document.baseURI")).toBe(page.url());
  await page.evaluate("document.forms[0].submit()");
  await eventually(async () => {
    const refused = await page.evaluate<string[]>("refused");
    expect([...new Set(refused)].sort()).toEqual([
      "base-uri",
      "form-action",
      "frame-src",
      "img-src",
      "script-src-attr",
      "script-src-elem",
      "style-src-elem",
    ]);
    return true;
  });
});

testWithChromium("a phone shows the page as wide as itself", async () => {
  const { page } = await opened(empty, { isMobile: true, viewport: { width: 390, height: 800 } });
  expect(await page.evaluate("innerWidth")).toBe(390);
});

testWithChromium("the page opens offline, and each plot carries its figures", async () => {
  const figures: Figures = await asAnalyst(
    base.url,
    (sql) => readFigures(sql, { days: 30, weeks: 13 }),
  );
  const { page, asked, errors } = await opened(base);

  const daily = await textsOf(page, "daily-events");
  expect(daily).toEqual(
    expect.arrayContaining(["UTC day", "events", "aube", "cv", "letters", "flywheel"]),
  );
  // A bar's own label tells what it stands for.
  const bars = page.locator("figure#daily-events [aria-roledescription=bar]");
  const told = await bars.evaluateAll((all) =>
    all.map((bar) => Number(/events: (\d+)/.exec(bar.getAttribute("aria-label") ?? "")?.[1]))
  );
  expect(told.length).toBe(figures.daily.length);
  expect(told.reduce((sum, events) => sum + events, 0)).toBe(figures.ecosystem.total_events);

  const funnel = await textsOf(page, "funnel");
  const steps = figures.funnel.filter(({ cohort_week }) => cohort_week === null);
  expect(steps).toHaveLength(8);
  expect(funnel).toEqual(expect.arrayContaining([
    ...steps.map(({ step, event_type }) => `${step}  ${event_type}`),
    "150",
    `${steps[3]!.users}  (${(steps[3]!.conversion! * 100).toFixed(1)}%)`,
  ]));

  const cohorts = cohortsOf(figures.retention, null, figures.today);
  const cells = cohorts.flatMap((cohort) => cohort.cells);
  const retention = await textsOf(page, "retention");
  expect(retention.filter((text) => /^\d+%$/.test(text)).sort())
    .toEqual(cells.map((cell) => `${Math.round(cell.retention * 100)}%`).sort());
  expect(retention).toEqual(
    expect.arrayContaining(cohorts.map(({ week, users }) => `${week}  (${users})`)),
  );
  expect(await textsOf(page, "retention-by-app"))
    .toEqual(expect.arrayContaining(["aube", "cv", "letters", "rise", "website"]));

  expect(await textsOf(page, "experiments")).toEqual(
    expect.arrayContaining(["letters_to_cv", "holdout", "15.8%  (19 of 120)", "6.0%  (5 of 83)"]),
  );

  // A job is told in one line: its control character is a blank.
  expect(await page.locator("td", { hasText: "<script>" }).textContent())
    .toBe(HOSTILE_JOB.replace("\u001b", " "));
  expect(await page.title()).toBe(`Phoenix, ${figures.since} to ${figures.today}`);
  expect(await page.locator("script, link, img, iframe, object").count()).toBe(0);
  expect([...asked, ...errors]).toEqual([]);
});

testWithChromium(
  "nothing on the page lies upon something else, or reaches beyond its plot",
  async () => {
    const { page } = await opened(base);
    expect(await page.locator("figure svg").count()).toBe(5);
    const problems = await page.locator("figure svg").evaluateAll((plots) =>
      plots.flatMap((plot) => {
        const id = plot.parentElement!.id;
        const outer = plot.getBoundingClientRect();
        const texts = [...plot.querySelectorAll("text")]
          .filter((text) => text.textContent !== "" && text.getAttribute("opacity") !== "0")
          .map((text) => ({ text: text.textContent, box: text.getBoundingClientRect() }));
        const beyond = texts.filter(({ box }) =>
          box.left < outer.left - 1 || box.right > outer.right + 1 || box.top < outer.top - 1 ||
          box.bottom > outer.bottom + 1
        ).map(({ text }) => `${id}: ${text} reaches beyond`);
        const upon = texts.flatMap((one, index) =>
          texts.slice(index + 1).filter(({ box }) =>
            box.left < one.box.right - 1 && box.right > one.box.left + 1 &&
            box.top < one.box.bottom - 2 && box.bottom > one.box.top + 2
          ).map(({ text }) => `${id}: ${text} lies upon ${one.text}`)
        );
        return [...beyond, ...upon];
      })
    );
    expect(problems).toEqual([]);
  },
);
