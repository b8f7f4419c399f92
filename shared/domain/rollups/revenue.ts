import { type CountedEvent, dayOf, flywheelApp, hundredthsIn } from "./counted-event.ts";
import type { Add } from "./increments.ts";
import { moveUser, type Presence } from "./presence.ts";

/** What the user paid by day, as long as a later use of a product may still move it. */
export type Paid = readonly (readonly [day: number, cents: number, payments: number])[];

/** How many days a payment waits for that: no period reaches further back, even if an event stamped ahead of the clock is of tomorrow. */
const waitDays = 367;

const products: ReadonlySet<string> = new Set(["aube", "cv", "letters", "rise"]);

/**
 * Users of one product and of several, and what they paid: by the last day on which a period may begin and still find them as such.
 * A period finds a user of two products if it begins by the last day of the one that they used less recently.
 * A payment counts on that day if it was made later, and moves on as they use their products again, at most to its own day. One that
 * has waited for longer than any period reaches no longer counts.
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
  const all = payment ? withPayment(paid, payment) : paid;
  const latest = Math.max(is[0] ?? -Infinity, ...all.map(([day]) => day));
  const isOver = (day: number) => day <= latest - waitDays;
  for (const many of [1, 2]) {
    const [from, to, key] = [was[many - 1], is[many - 1], String(many)];
    moveUser(add, { figure: "products", key }, from, to);
    for (const [day, cents, payments] of paid) {
      const counted = earlier(day, from);
      // Once it is found on its own day it stays there.
      const counts = counted !== day && isOver(day) ? undefined : earlier(day, to);
      if (counted === counts) continue;
      addPayments(add, key, counted, -cents, -payments);
      addPayments(add, key, counts, cents, payments);
    }
    if (payment) addPayments(add, key, earlier(payment[0], to), payment[1], 1);
  }
  const [, second = -Infinity] = is;
  return all.filter(([day]) => day > second && !isOver(day));
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
  { app_source, event_type, payload, at }: CountedEvent,
): [day: number, cents: number] | undefined {
  // The flywheel is paid nothing, and what it tells comes in no order with the rest.
  if (event_type !== "subscription.activated" || app_source === flywheelApp) return undefined;
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
