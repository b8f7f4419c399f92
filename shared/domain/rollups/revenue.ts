import { type CountedEvent, dayOf, hundredthsIn } from "./counted-event.ts";
import type { Add } from "./increments.ts";
import { moveUser, type Presence } from "./presence.ts";

/** What the user paid by day, as long as a later use of a product may still move it. */
export type Paid = readonly (readonly [day: number, cents: number, payments: number])[];

const products: ReadonlySet<string> = new Set(["aube", "cv", "letters", "rise"]);

/**
 * Users of one product and of several, and what they paid: by the last day from which a period that begins then finds them as such.
 * A period finds a user of two products if it begins by the last day of the one that they used less lately.
 */
export function countRevenue(
  paid: Paid,
  event: CountedEvent,
  before: Presence,
  after: Presence,
  add: Add,
): Paid {
  const payment = paymentOf(event);
  const isMoved = before !== after && products.has(event.app_source);
  if (payment === undefined && !isMoved) return paid;
  const [was, is] = [lastDaysOfProducts(before), lastDaysOfProducts(after)];
  for (const many of [1, 2]) {
    const [from, to, key] = [was[many - 1], is[many - 1], String(many)];
    moveUser(add, { figure: "products", key }, from, to);
    for (const [day, cents, payments] of from === to ? [] : paid) {
      addPayments(add, key, earlier(day, from), -cents, -payments);
      addPayments(add, key, earlier(day, to), cents, payments);
    }
    if (payment) addPayments(add, key, earlier(payment[0], to), payment[1], 1);
  }
  const [, second] = is;
  const mayMove = ([day]: Paid[number]) => second === undefined || day > second;
  return payment ? withPayment(paid, payment).filter(mayMove) : paid.filter(mayMove);
}

/** The last day in each product that was used, the latest first. */
function lastDaysOfProducts(presence: Presence): number[] {
  return presence
    .filter((each) => products.has(each[0]))
    .map((each) => each[2])
    .sort((a, b) => b - a);
}

function earlier(day: number, last: number | undefined): number | undefined {
  return last === undefined ? undefined : Math.min(day, last);
}

function addPayments(
  add: Add,
  key: string,
  day: number | undefined,
  total: number,
  count: number,
): void {
  if (day !== undefined) add({ figure: "revenue", day, key }, { count, total });
}

function paymentOf(
  { event_type, payload, at }: CountedEvent,
): [day: number, cents: number] | undefined {
  if (event_type !== "subscription.activated") return undefined;
  const cents = hundredthsIn(payload.amount_eur, 0, 1_000_000);
  return cents === undefined ? undefined : [dayOf(at), cents];
}

function withPayment(paid: Paid, [day, cents]: readonly [number, number]): Paid {
  const same = paid.find((each) => each[0] === day);
  return [
    ...paid.filter((each) => each !== same),
    [day, cents + (same?.[1] ?? 0), 1 + (same?.[2] ?? 0)],
  ];
}
