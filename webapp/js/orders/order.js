// An order as pages show it. Pure functions.
import { secondsUntil } from "../clock.js";
import { isRefundable, takesPlace } from "../event_rules.js";

/** @import { Booking, Event, Order } from "../schemas.js" */

/** @typedef {Pick<Event, "slug" | "name" | "venue" | "startsAt" | "timeZone">} OrderEvent "" if unknown */

/** @typedef {ReturnType<typeof describeOrder>} DescribedOrder */

const NO_EVENT = { slug: "", name: "", venue: "", startsAt: "", timeZone: "UTC" };

/** @type {Order} */
export const NO_ORDER = {
  success: false,
  reference: "",
  status: "",
  total: 0,
  currency: "",
  bookings: [],
  message: "",
  event: "",
  paidLate: false,
  currencyDigits: 0,
  shortReference: "",
};

/** @param {Order} order */
export const isPending = ({ status }) => status === "pending";

/**
 * Return an order's status, refined by late payments, ended holds and refunds.
 * @param {Order} order
 * @param {number} serverNow in milliseconds
 */
function stateOf({ status, expiresAt, paidLate, refund }, serverNow) {
  switch (status) {
    case "confirmed":
      return paidLate ? "paid_late" : "confirmed";
    case "pending":
      return expiresAt && secondsUntil(expiresAt, serverNow) === 0 ? "overdue" : "pending";
    case "declined":
    case "expired":
      return refund === undefined ? status : "paid_too_late";
    case "cancelled":
      return refund ? "cancelled_refunded" : "cancelled";
    default:
      return status;
  }
}

/** @param {Pick<Booking, "returnedAt">} booking */
export const isReturned = ({ returnedAt }) => returnedAt !== undefined;

/**
 * Return a short reference in two groups of characters, which are easier to read.
 * @param {string} shortReference
 */
const grouped = (shortReference) => `${shortReference.slice(0, 4)}-${shortReference.slice(4)}`;

/**
 * Return the number of tickets of each tier, in the order of the tickets.
 * @param {Booking[]} bookings
 */
function partsOf(bookings) {
  /** @type {Map<string, { tier: string, quantity: number, price: number }>} */
  const parts = new Map();
  for (const { tier, price } of bookings)
    parts.set(tier, { tier, price, quantity: (parts.get(tier)?.quantity ?? 0) + 1 });
  return [...parts.values()];
}

/**
 * Return the sum of prices in the currency's major unit.
 * @param {Booking[]} bookings
 * @param {number} currencyDigits
 */
const sumOf = (bookings, currencyDigits) =>
  Number(bookings.reduce((sum, { price }) => sum + price, 0).toFixed(currencyDigits));

/**
 * Describe an order. An order that was declined before it held any tickets has none, and neither a tier nor a buyer.
 * Until an order ends, its returned tickets and their prices are described separately.
 * @param {Order} order
 * @param {Partial<Event> | null} known the known fields of the event
 * @param {number} serverNow in milliseconds
 */
export function describeOrder(order, known, serverNow) {
  const [first] = order.bookings;
  const isLive = ["pending", "confirmed"].includes(order.status);
  const returned = isLive ? order.bookings.filter(isReturned) : [];
  const kept = isLive ? order.bookings.filter((booking) => !isReturned(booking)) : order.bookings;
  /** @type {OrderEvent & Partial<Pick<Event, "state">>} */
  const event = { ...NO_EVENT, slug: order.event, ...known };
  return {
    reference: order.reference,
    short_reference: grouped(order.shortReference),
    state: stateOf(order, serverNow),
    event,
    parts: partsOf(kept),
    quantity: kept.length,
    total: returned.length > 0 ? sumOf(kept, order.currencyDigits) : order.total,
    returned_parts: partsOf(returned),
    returned_total: sumOf(returned, order.currencyDigits),
    refund: order.refund ?? 0,
    valid: order.status === "confirmed",
    called_off: !takesPlace(event),
    // Buyers of a cancelled event do nothing: the worker ends their orders.
    cancellable: isLive && takesPlace(event) && isRefundable(event, serverNow),
    currency: order.currency,
    currencyDigits: order.currencyDigits,
    user_id: first?.userId ?? "",
    booked_at: first?.createdAt ?? "",
  };
}
