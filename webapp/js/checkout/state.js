// The phases of a purchase on a page, from the click to its outcome. The functions are pure; store.js has the effects.

import { RESPONSE_TIMEOUT_MS } from "../booking_api.js";
import { concernedIndex, countsOf } from "./purchase.js";
import { TRIES } from "./submit.js";

/** @typedef {import("../booking_api.js").Outcome} Outcome */
/** @typedef {import("../booking_api.js").Kind} Kind */
/** @typedef {import("./purchase.js").Item} Item */
/** @typedef {import("./purchase.js").Purchase} Purchase */

/**
 * @typedef {object} Checkout
 * @property {"idle" | "sending" | "done" | "fewer_left" | "away" | Kind} phase `done` leads to the order's page; `invalid`
 *   and every other phase is the last outcome. `away`: the order to repeat could not be looked up.
 * @property {string} detail While sending: `busy`, `retrying`, `no_response` or `offline`. After `unreachable`:
 *   `checking`. After `invalid`: the fault of the form. After `rate_limited`: the name of the limit.
 * @property {number} attempt Number of the current try.
 * @property {"" | "explain" | "check"} patience The additional text as sending takes longer.
 * @property {string} event Slug of the event of the last purchase.
 * @property {string} tickets Its number of tickets of each tier (see `countsOf`).
 * @property {boolean} mixed True if it has several items.
 * @property {string} tier The tier of its only item, or of the item that was refused; "": of several.
 * @property {number} quantity The number of tickets of that item; of all items if `tier` is "".
 * @property {number} refused Index of the item that the last refusal is about; -1: none, or all of several.
 * @property {Item | null} refusedItem That item.
 * @property {number} expectedTotal Total that the last purchase expected, in the currency's major unit; 0: unknown.
 * @property {number} newTotal The present total after `price_changed`; otherwise 0.
 * @property {number} left The number of tickets available after `fewer_left`, or that the buyer may still book after
 *   `buyer_limit`; otherwise 0.
 * @property {string} reference The order's, once done.
 * @property {number[]} seatsGone Tickets that others have, after `seat_taken`.
 * @property {number} waitUntil Browser time in milliseconds until which another try makes no sense; 0: none.
 * @property {number} turn Counts the phases, so that a repeated phase is a change.
 */

/** @type {Checkout} */
export const IDLE = {
  phase: "idle",
  detail: "",
  attempt: 0,
  patience: "",
  event: "",
  tickets: "",
  mixed: false,
  tier: "",
  quantity: 0,
  refused: -1,
  refusedItem: null,
  expectedTotal: 0,
  newTotal: 0,
  left: 0,
  reference: "",
  seatsGone: [],
  waitUntil: 0,
  turn: 0,
};

/** The longest time in milliseconds from sending a request to its arrival. Until then "not found" is not final. */
export const UNDER_WAY_MS = 90_000;

/**
 * Return true while the API may process the last request. Until then a page shows the purchase as being sent.
 * @param {Purchase} purchase
 * @param {number} now Browser time in milliseconds.
 * @returns {boolean}
 */
export const isInFlight = ({ sentAt }, now) => now < sentAt + RESPONSE_TIMEOUT_MS;

/**
 * Return true if an order is live. Its tickets are not booked again.
 * @param {import("../booking_api.js").Order} order
 * @returns {boolean}
 */
export const isLive = ({ status }) => status === "confirmed" || status === "pending";

/**
 * Return true if a purchase is being sent or leads to its page. A click then has no effect.
 * @param {Checkout} checkout
 * @returns {boolean}
 */
export const isBusy = ({ phase }) => phase === "sending" || phase === "done";

/**
 * Return the path of an order's page.
 * @param {string} reference
 * @returns {string}
 */
export const pathOf = (reference) => `/booking/${reference}`;

/**
 * Begin a phase.
 * @param {Checkout} checkout
 * @param {Checkout["phase"]} phase
 * @param {string} [detail]
 * @returns {Checkout}
 */
export function enter(checkout, phase, detail = "") {
  const { event, tickets, mixed, tier, quantity, expectedTotal, reference, turn } = checkout;
  const purchase = { event, tickets, mixed, tier, quantity, expectedTotal, reference };
  return { ...IDLE, ...purchase, phase, detail, turn: turn + 1 };
}

/**
 * Return the fields that describe a purchase.
 * @param {Purchase} purchase
 * @param {number} [index] index of the item that an outcome is about; -1: the API names none
 */
export function describe({ event, items }, index = -1) {
  const item = items[concernedIndex(items, index)];
  const quantity = (item ? [item] : items).reduce((sum, each) => sum + each.quantity, 0);
  return { event, tickets: countsOf(items), mixed: items.length > 1, tier: item?.tier ?? "", quantity };
}

/**
 * Show the outcome of a purchase, and decide whether its key is spent.
 *
 * The API remembers the key of an order, also of a declined one. After any other outcome the next purchase has the same
 * key, so that at most one of the two requests can book.
 * @param {Checkout} checkout
 * @param {Purchase} purchase
 * @param {Outcome | null} outcome null: the API does not have the order.
 * @param {number} now Browser time in milliseconds.
 * @param {boolean} [isResponseLost] an earlier request of the purchase had no response, so that it may still book
 * @returns {{ checkout: Checkout, open: Purchase | null }} `open`: the purchase whose key is not spent.
 */
export function conclude(checkout, purchase, outcome, now, isResponseLost = false) {
  const { expectedTotal = 0 } = purchase;
  const { item = -1 } = outcome?.problem ?? {};
  const refused = outcome?.problem ? concernedIndex(purchase.items, item) : -1;
  const named = { ...checkout, ...describe(purchase, item), expectedTotal };
  if (outcome?.order && outcome.order.status !== "declined")
    return { checkout: { ...enter(named, "done"), reference: outcome.order.reference }, open: null };
  const { available = 0, ticketIds = [], total = 0, retryAfterS = 0, limit = "" } = outcome?.problem ?? {};
  const kind = outcome?.problem?.kind ?? (outcome ? "declined" : "not_found");
  const inDoubt = isResponseLost || kind === "unreachable" || kind === "not_found";
  const isFewer = (kind === "sold_out" || kind === "all_held") && available > 0;
  return {
    checkout: {
      ...enter(named, isFewer ? "fewer_left" : kind, limit),
      refused,
      refusedItem: purchase.items[refused] ?? null,
      left: available,
      newTotal: total,
      seatsGone: ticketIds,
      waitUntil: isFewer || retryAfterS === 0 ? 0 : now + retryAfterS * 1000,
    },
    // The purchase at the new total is another one. It keeps the key while a request at the old total may arrive.
    open: kind === "declined" || (kind === "price_changed" && !inDoubt) ? null : { ...purchase, inDoubt },
  };
}

/**
 * Show the reason why the tickets of an order are not booked again. Nothing was sent.
 * @param {Checkout} checkout
 * @param {Outcome} outcome Result of the lookup of the order.
 * @param {number} now Browser time in milliseconds.
 * @returns {Checkout}
 */
export function refuseToRepeat(checkout, { problem }, now) {
  // A late payment was faster, or the order never had tickets: the page reads the order again.
  if (!problem) return enter(checkout, "idle");
  if (problem.kind === "busy" || problem.kind === "rate_limited")
    return { ...enter(checkout, problem.kind, problem.limit), waitUntil: now + problem.retryAfterS * 1000 };
  return enter(checkout, problem.kind === "unreachable" ? "away" : "refused");
}

/**
 * Derive the fields that pages read.
 * @param {Checkout} checkout
 * @param {number} now Browser time in milliseconds.
 */
export function derive(checkout, now) {
  const { seatsGone, waitUntil, expectedTotal, newTotal, refused, refusedItem, ...shown } = checkout;
  const wait = Math.max(0, Math.ceil((waitUntil - now) / 1000));
  const sending = isBusy(checkout);
  const offline = checkout.phase === "sending" && checkout.detail === "offline";
  return {
    ...shown,
    tries: TRIES,
    expected_total: expectedTotal,
    new_total: newTotal,
    seats_gone: seatsGone,
    refused_item: refusedItem,
    sending,
    offline,
    wait,
    locked: sending || wait > 0,
  };
}
