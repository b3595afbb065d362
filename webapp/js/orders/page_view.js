// Derivation of an order's page. Pure functions.
import { countsOf } from "../checkout/purchase.js";
import { secondsUntil } from "../clock.js";
import { writeTickets } from "../event/address.js";
import { hasBegun, saleOf, takesPlace } from "../event_rules.js";
import { orderPath } from "../paths.js";
import { describeOrder, isPending, isReturned, NO_ORDER } from "./order.js";

/** @import { KeptOrder } from "../offline/kept_orders.js" */
/** @import { EventDetails, Order, Refund } from "../schemas.js" */

const PENDING_POLL_MS = 2_000;
// A late payment can still change an order that has expired or was cancelled, and a refund is open for some time. The page
// polls for this long.
const LATE_POLL_MS = 15_000;
const LATE_FOR_MS = 10 * 60_000;
// The mail server may refuse the address of a confirmation some seconds after it. The page reads the order once more.
const MAIL_POLL_MS = 20_000;
const MAIL_FOR_MS = 30_000;
// A buyer has to hurry in the last minute of a hold.
const HURRY_S = 60;

/**
 * @typedef {object} OrderState
 * @property {Order | null} order null until the first response
 * @property {EventDetails | null} event
 * @property {boolean} missing the API responded that there is no such order
 * @property {boolean} failed the last request failed
 * @property {boolean} paid the buyer has come back from the payment's page after paying
 * @property {number} endedAt browser time, in milliseconds, of the first response with an order that ended unpaid or has
 *   an open refund; 0: none
 * @property {number} confirmedAt browser time, in milliseconds, of the first response with the confirmed order; 0: none
 * @property {number} keptAt browser time, in milliseconds, of an order from the browser's storage; 0: it is the API's
 * @property {string} announcement text code for screen readers: a new state of the order, or `hurry`
 */

/** @type {OrderState} */
export const INITIAL_STATE = {
  order: null,
  event: null,
  missing: false,
  failed: false,
  paid: false,
  endedAt: 0,
  confirmedAt: 0,
  keptAt: 0,
  announcement: "",
};

/** @typedef {ReturnType<typeof deriveOrderPage>} OrderView */

const isOpenRefund = (/** @type {Refund} */ { status }) => ["requested", "pending"].includes(status);

/**
 * Return the query of an event's address that chooses the tickets of an order again.
 * @param {Order} order
 */
function queryOf({ bookings }) {
  /** @type {Record<string, number>} */
  const quantities = {};
  for (const { tier, row } of bookings) if (row == null) quantities[tier] = (quantities[tier] ?? 0) + 1;
  const seats = bookings.filter(({ row }) => row != null).map(({ ticketId }) => ticketId);
  return writeTickets({ seats, quantities });
}

/**
 * @param {OrderState} state
 * @param {number} serverNow in milliseconds
 */
export function deriveOrderPage(state, serverNow) {
  const known = state.order !== null;
  const order = state.order ?? NO_ORDER;
  const described = describeOrder(order, state.event, serverNow);
  const begun = hasBegun(described.event, serverNow);
  const left = isPending(order) && order.expiresAt ? secondsUntil(order.expiresAt, serverNow) : 0;
  const isRepeatable =
    ["declined", "expired"].includes(described.state) &&
    (state.event ? saleOf(state.event, serverNow) === "on_sale" : !begun);
  const path = orderPath(order.reference);
  return {
    ...described,
    page: known ? "found" : state.missing ? "missing" : state.failed ? "away" : "loading",
    away: known && state.failed,
    kept_at: state.keptAt ? new Date(state.keptAt).toISOString() : "",
    left,
    hurry: left > 0 && left < HURRY_S,
    begun,
    // The same tickets can be tried again, or others chosen if they are unknown.
    repeatable: isRepeatable && described.quantity > 0,
    anew: isRepeatable && described.quantity === 0,
    seated: order.bookings.some(({ row }) => row != null),
    tickets_by_tier: countsOf(described.parts.map((part) => ({ ...part, ticketIds: [] }))),
    again_query: queryOf(order),
    prices: Object.fromEntries(described.parts.map(({ tier, price }) => [tier, price])),
    lines: order.bookings.length,
    tickets: order.bookings.flatMap((booking, index) => {
      const { id, ticketId, price, tier, row, seat } = booking;
      const line = index + 1;
      const code = `${path}/tickets/${line}.svg`;
      return described.valid && isReturned(booking)
        ? []
        : [{ id: ticketId, booking: id, line, tier, price, row: row ?? "", seat: seat ?? 0, code }];
    }),
    kept: order.bookings.filter((booking) => !isReturned(booking)).map(({ id }) => id),
    calendar: `${path}/calendar.ics`,
    payment_url: described.state === "pending" && !state.paid ? (order.paymentUrl ?? "") : "",
    printed: `${path}/tickets.pdf`,
    refunds: (order.refunds ?? []).map((refund) => ({
      id: refund.id,
      amount: refund.amount,
      state: isOpenRefund(refund) ? "open" : refund.status,
    })),
    undelivered_to: state.failed ? "" : (order.undeliveredTo ?? ""),
    announcement: state.announcement,
  };
}

/**
 * Return the announcement for screen readers after a change of the page, or the last one if there is no news.
 * @param {OrderView} last
 * @param {OrderView} next
 */
export function announcementOf(last, next) {
  if (last.page === "found" && next.page === "found" && next.state !== last.state) return next.state;
  return next.hurry && !last.hurry ? "hurry" : next.announcement;
}

/**
 * @param {OrderState} state
 * @param {Order} order
 * @param {number} now the browser's time, in milliseconds
 */
export function applyOrder(state, order, now) {
  const hasEndedUnpaid = ["expired", "cancelled"].includes(order.status) && order.refund === undefined;
  return {
    order,
    endedAt: hasEndedUnpaid || order.refunds?.some(isOpenRefund) ? state.endedAt || now : 0,
    confirmedAt: order.status === "confirmed" ? state.confirmedAt || now : 0,
    keptAt: 0,
  };
}

/**
 * Apply a failed request for the order. A page without an order shows the one in the browser's storage.
 * @param {OrderState} state
 * @param {KeptOrder | null} kept
 * @returns {Partial<OrderState>}
 */
export function applyFailure(state, kept) {
  return { failed: true, ...(state.order || state.missing ? {} : kept) };
}

/**
 * Return the interval at which an order is polled, in milliseconds; 0: only when the tab gains the focus.
 * @param {OrderState} state
 * @param {number} now the browser's time, in milliseconds
 */
export function pollInterval({ order, event, endedAt, confirmedAt }, now) {
  if (!order || isPending(order)) return PENDING_POLL_MS;
  // The worker ends the orders of a cancelled event.
  if (order.status === "confirmed" && event && !takesPlace(event)) return LATE_POLL_MS;
  if (confirmedAt > now - MAIL_FOR_MS) return MAIL_POLL_MS;
  return endedAt > now - LATE_FOR_MS ? LATE_POLL_MS : 0;
}
