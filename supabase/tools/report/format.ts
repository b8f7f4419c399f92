const numbers = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 2 });

/** What stands where there is nothing to divide by. */
export const NOTHING = "–";

/** 1,234 or 1.5. */
export function number(value: number | null): string {
  return value === null ? NOTHING : numbers.format(value);
}

/** A number with so many decimal places. */
export function fixed(value: number | null, places: number): string {
  return value === null ? NOTHING : value.toFixed(places);
}

/** A share of 1 as a percentage to a tenth: 62.5%. */
export function percent(share: number | null): string {
  return share === null ? NOTHING : `${(share * 100).toFixed(1)}%`;
}

/** The same for what is more or less than something: +6.1%. */
export function signedPercent(share: number | null): string {
  return share === null ? NOTHING : `${share < 0 ? "−" : "+"}${percent(Math.abs(share))}`;
}

/** A difference of two shares: +6.1 points. */
export function points(difference: number | null): string {
  return signedPercent(difference).replace("%", " points");
}

/** A probability, to the digits that mean something. */
export function probability(value: number | null): string {
  if (value === null) return NOTHING;
  return value < 0.001 ? "< 0.001" : value.toFixed(3);
}

/** One thing, or several: 1 user, 2 users. */
export function counted(value: number, noun: string): string {
  return `${number(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** What ends today: today itself, or the last so many days. */
export function lastDays(days: number): string {
  return days === 1 ? "today (UTC)" : `the last ${number(days)} UTC days`;
}

/** What ends with this week: it alone, or the last so many weeks. */
export function lastWeeks(weeks: number): string {
  return weeks === 1
    ? "this week (UTC, from Monday)"
    : `the last ${number(weeks)} weeks (UTC, from Monday, this one included)`;
}

/** A UTC moment to the minute. */
export function moment(iso: string): string {
  return `${new Date(iso).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}
