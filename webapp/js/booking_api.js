// Requests that book, look up and cancel orders, and the meaning of each response for a page.

import { fetchAsAccount } from "./account/session.js";
import { bestPath, orderPath } from "./paths.js";
import { keepSecret, secretHeaders } from "./secrets.js";
import { settings } from "./settings.js";

/** @import { BestSeats, Booking, BookingRequest, CancelRequest, ReturnRequest, Order as WireOrder, SeatChoice } from "./schemas.js" */

/** One ticket of an order. @typedef {Pick<Booking, "ticketId" | "tier" | "userId"> & Partial<Pick<Booking, "seat" | "returnedAt">>} Line */

/**
 * The fields of an order that the checkout uses. A declined order may have no lines.
 * @typedef {Pick<WireOrder, "reference" | "status" | "event" | "total" | "expiresAt" | "bookingSecret"> & { bookings: Line[] }} Order
 */

/**
 * The reason of a failed request. After `unreachable` the outcome is unknown. `key_reused` means that
 * another purchase has the key. After any other kind nothing was booked.
 * @typedef {"declined" | "sold_out" | "all_held" | "seat_taken" | "price_changed" | "buyer_limit" | "not_on_sale" | "not_cancellable" | "rate_limited" |
 *   "busy" | "not_found" | "key_reused" | "invalid" | "refused" | "unreachable"} Kind
 */

/**
 * @typedef {object} Problem
 * @property {Kind} kind
 * @property {number} available Tickets that are left of the tier; after `buyer_limit` those that the buyer may still book.
 * @property {number[]} ticketIds Tickets that others have.
 * @property {number} item Index of the item that is refused; -1: the API names none.
 * @property {number} total The present total after `price_changed`, in the currency's major unit; otherwise 0.
 * @property {number} retryAfterS Seconds; 0: unknown.
 * @property {string} limit The exhausted limit after `rate_limited`, as the API names it; "": unknown.
 */

/** @typedef {{ order: Order, problem?: undefined } | { problem: Problem, order?: undefined }} Outcome */

/**
 * The best free seats of a tier, then the alternatives; or the reason why there are none.
 * @typedef {{ choices: SeatChoice[], problem?: undefined } | { problem: Problem, choices?: undefined }} BestOutcome
 */

/** Longer than the API's own limits: a slow response is worth more than a second request. In milliseconds. */
export const RESPONSE_TIMEOUT_MS = 15_000;
const BEST_TIMEOUT_MS = 4_000;
const RETRY_AFTER_S_MAX = 300;
const FIELD_OF_ITEM = /^items\[(\d+)\]/;
const LIMIT_NAME = /^"(\w+)"/;

/**
 * The kind of each refusal of the API's booking routes. A test compares the codes with the API's.
 * @type {Record<string, Kind>}
 */
export const KIND_OF_CODE = {
  payment_declined: "declined",
  sold_out: "sold_out",
  all_held: "all_held",
  seat_taken: "seat_taken",
  price_changed: "price_changed",
  amount_too_small: "refused",
  buyer_limit: "buyer_limit",
  not_on_sale: "not_on_sale",
  not_cancellable: "not_cancellable",
  rate_limited: "rate_limited",
  busy: "busy",
  not_found: "not_found",
  key_reused: "key_reused",
  invalid_request: "invalid",
  forbidden: "refused",
  unauthorized: "refused",
  unknown_event: "refused",
  unknown_tier: "refused",
  request_timeout: "unreachable",
  body_too_large: "refused",
  unsupported_media_type: "refused",
  internal_error: "unreachable",
};

/**
 * Make an outcome without an order.
 * @param {Kind} kind
 * @param {Partial<Problem>} [details]
 * @returns {{ problem: Problem }}
 */
export const refusal = (kind, details) => ({
  problem: { available: 0, ticketIds: [], item: -1, total: 0, retryAfterS: 0, limit: "", ...details, kind },
});

/** A request without a usable response. It may have arrived. */
export const UNREACHABLE = refusal("unreachable");

/**
 * Book all tickets of a purchase or none. A repetition under the same reference never books twice.
 *
 * One item is sent without a list, as by earlier releases: a purchase that they have stored is repeated unchanged.
 * @param {import("./checkout/purchase.js").Purchase} purchase
 * @returns {Promise<Outcome>}
 */
export async function book({ event, items, userId, expectedTotal, email, locale, reference, secret }) {
  const wire = items.map(({ tier, quantity, ticketIds }) => ({
    tier,
    quantity,
    ...(ticketIds.length > 0 ? { ticketIds } : {}),
  }));
  const tickets = wire.length === 1 ? wire[0] : { items: wire };
  /** @type {BookingRequest} */
  const body = { ...tickets, userId, expectedTotal, ...(email ? { email, locale } : {}), bookingReference: reference };
  const outcome = await send(
    `/api/bookings?event=${encodeURIComponent(event)}`,
    secret ? { "Booking-Secret": secret } : {},
    body,
  );
  // The API makes the secret of a purchase without one.
  if (outcome.order?.bookingSecret) keepSecret(reference, outcome.order.bookingSecret);
  return outcome;
}

/**
 * Look for the best free seats of a tier. Nothing is held.
 * @param {string} event slug of the event
 * @param {string} tier
 * @param {number} quantity
 * @returns {Promise<BestOutcome>}
 */
export async function findBest(event, tier, quantity) {
  try {
    const signal = AbortSignal.timeout(BEST_TIMEOUT_MS);
    const response = await fetch(settings.apiUrl + bestPath(event, tier, quantity), { cache: "no-store", signal });
    const body = await response.json();
    if (!response.ok) return problemOf(response.status, response.headers.get("Retry-After"), body, null);
    const { seats, alternatives } = /** @type {BestSeats} */ (body);
    return { choices: [...(seats ? [seats] : []), ...alternatives] };
  } catch {
    return UNREACHABLE;
  }
}

/**
 * Look up an order.
 * @param {string} reference
 * @returns {Promise<Outcome>}
 */
export const find = (reference) => send(orderPath(reference), secretHeaders(orderPath(reference)));

/**
 * Cancel a buyer's order. A repetition has the same outcome.
 * @param {string} reference
 * @param {string} userId
 * @returns {Promise<Outcome>}
 */
export const cancel = (reference, userId) =>
  send(`${orderPath(reference)}/cancel`, secretHeaders(orderPath(reference)), { userId });

/**
 * Return single tickets of a buyer's order. A repetition has the same outcome.
 * @param {string} reference
 * @param {string} userId
 * @param {number[]} bookings ids of the tickets' bookings
 * @returns {Promise<Outcome>}
 */
export const returnTickets = (reference, userId, bookings) =>
  send(`${orderPath(reference)}/returns`, secretHeaders(orderPath(reference)), { userId, bookings });

/**
 * Send a request: POST with a body, else GET. The account of a signed-in buyer gets the order.
 * @param {string} path
 * @param {Record<string, string>} headers
 * @param {BookingRequest | CancelRequest | ReturnRequest} [body]
 * @returns {Promise<Outcome>}
 */
async function send(path, headers, body) {
  const request = body
    ? { method: "POST", headers: { ...headers, "Content-Type": "application/json" }, body: JSON.stringify(body) }
    : { headers };
  try {
    const signal = AbortSignal.timeout(RESPONSE_TIMEOUT_MS);
    const response = await fetchAsAccount(path, { cache: "no-store", signal, ...request });
    const { status, headers: received } = response;
    return outcomeOf(status, received.get("Retry-After"), await response.json(), received.get("RateLimit"));
  } catch {
    return UNREACHABLE;
  }
}

/**
 * Interpret a response.
 * @param {number} status HTTP status.
 * @param {string | null} retryAfter Header of that name.
 * @param {any} body Decoded JSON.
 * @param {string | null} [rateLimit] Header `RateLimit`, which begins with the quoted name of the limit.
 * @returns {Outcome}
 */
export function outcomeOf(status, retryAfter, body, rateLimit = null) {
  if (status < 300) return isOrder(body) ? { order: body } : UNREACHABLE;
  return problemOf(status, retryAfter, body, rateLimit);
}

/**
 * Interpret a refusal.
 * @param {number} status
 * @param {string | null} retryAfter
 * @param {any} body
 * @param {string | null} rateLimit
 */
function problemOf(status, retryAfter, body, rateLimit) {
  // A proxy in front of an API that is away responds without a code.
  if (typeof body?.code !== "string") return UNREACHABLE;
  // After an internal error the API may have booked. `unknown` marks such a response.
  const other = status >= 500 ? "unreachable" : "refused";
  return refusal(body.unknown === true ? "unreachable" : (KIND_OF_CODE[body.code] ?? other), {
    available: whole(body.available ?? body.remaining),
    ticketIds: Array.isArray(body.ticketIds) ? body.ticketIds.map(whole) : [],
    item: itemAtFault(body),
    total: Math.max(0, Number(body.total)) || 0,
    retryAfterS: Math.min(whole(retryAfter), RETRY_AFTER_S_MAX),
    limit: rateLimit?.match(LIMIT_NAME)?.[1] ?? "",
  });
}

/**
 * Return the index of the item that a refusal names, itself or by the field of its first error; -1 without one.
 * @param {any} body
 * @returns {number}
 */
function itemAtFault({ item, errors }) {
  const [, index = -1] = FIELD_OF_ITEM.exec(errors?.[0]?.field ?? "") ?? [];
  return Number.isSafeInteger(item) ? item : Number(index);
}

const isOrder = (/** @type {any} */ body) =>
  typeof body?.reference === "string" &&
  typeof body.status === "string" &&
  Array.isArray(body.bookings) &&
  (body.bookings.length > 0 || body.status === "declined");

/**
 * @param {unknown} value
 * @returns {number}
 */
function whole(value) {
  return Math.max(0, Math.trunc(Number(value)) || 0);
}
