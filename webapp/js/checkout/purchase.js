// A purchase: the tickets that a buyer wants, and the key that makes repeating the request harmless. Pure functions.

import { readName } from "../text.js";

/** @import { NameFault } from "../text.js" */

/**
 * @typedef {object} Purchase
 * @property {string} event Slug of the event.
 * @property {string} tier Name of the tier.
 * @property {number} quantity Number of tickets.
 * @property {string} userId Name of the buyer.
 * @property {number[]} ticketIds The chosen seats; empty: any tickets of the tier.
 * @property {number} [expectedTotal] The total that the page showed, in the currency's major unit. An earlier release
 *   stored purchases without it.
 * @property {string} reference Idempotency key and, once booked, reference of the order.
 * @property {boolean} inDoubt True if a request was sent and its outcome is unknown.
 * @property {number} sentAt Browser time of the last request in milliseconds; 0: never sent.
 */

/**
 * The part of a purchase that the buyer chooses.
 * @typedef {Pick<Purchase, "event" | "tier" | "quantity" | "userId" | "ticketIds" | "expectedTotal">} Wanted
 */

/** @typedef {NameFault | "tier_missing" | "quantity_missing" | "total_missing"} Fault */

const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";
const KEY_LENGTH = 26; // 130 bits
const KEY = /^bk_[a-z2-7]{26}$/;

/**
 * Make a random key.
 * @returns {string}
 */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(KEY_LENGTH));
  return `bk_${Array.from(bytes, (byte) => BASE32[byte % BASE32.length]).join("")}`;
}

const isCount = (/** @type {unknown} */ value) => Number.isSafeInteger(value) && Number(value) >= 0;

const isAmount = (/** @type {unknown} */ value) => Number.isFinite(value) && Number(value) >= 0;

const wholeNumbers = (/** @type {string} */ text) =>
  text
    .split(",")
    .filter((part) => /^\d+$/.test(part))
    .map(Number)
    .filter(isCount);

/**
 * Read the form's fields, or return the code of their fault. The API checks them again.
 * @param {Record<string, string>} fields
 * @returns {{ wanted: Wanted } | { fault: Fault }}
 */
export function readForm(fields) {
  const tier = (fields.tier ?? "").trim();
  const buyer = readName(fields.user_id ?? "");
  const ticketIds = wholeNumbers(fields.ticket_ids ?? "");
  const quantity = ticketIds.length || (wholeNumbers(fields.quantity ?? "")[0] ?? 0);
  const expectedTotal = fields.total ? Number(fields.total) : NaN;
  if (!tier) return { fault: "tier_missing" };
  if ("fault" in buyer) return buyer;
  if (quantity < 1) return { fault: "quantity_missing" };
  if (!isAmount(expectedTotal)) return { fault: "total_missing" };
  return { wanted: { event: fields.event ?? "", tier, quantity, userId: buyer.name, ticketIds, expectedTotal } };
}

/**
 * Give the wanted tickets a key. A tab keeps its key until a purchase is booked or declined under it.
 * @param {Wanted} wanted
 * @param {Purchase | null} earlier The tab's last purchase whose key is not spent.
 * @returns {Purchase}
 */
export function withKey(wanted, earlier) {
  const { reference = newKey(), inDoubt = false, sentAt = 0 } = earlier ?? {};
  return { ...wanted, reference, inDoubt, sentAt };
}

/**
 * Return a purchase whose last request is not in the future. The visitor may have set the browser's clock back since.
 * @param {Purchase} purchase
 * @param {number} now browser time in milliseconds
 * @returns {Purchase}
 */
export const withPossibleTime = (purchase, now) => (purchase.sentAt > now ? { ...purchase, sentAt: now } : purchase);

/**
 * Return true if two purchases request the same tickets for the same buyer and total.
 * @param {Wanted} one
 * @param {Wanted} other
 * @returns {boolean}
 */
export function wantsTheSame(one, other) {
  const keyless = (/** @type {Wanted} */ { event, tier, quantity, userId, ticketIds, expectedTotal }) =>
    JSON.stringify([event, tier, quantity, userId, ticketIds, expectedTotal]);
  return keyless(one) === keyless(other);
}

/**
 * Read a purchase back from browser storage; null if the text is anything else.
 * @param {string | null} text
 * @returns {Purchase | null}
 */
export function parsePurchase(text) {
  try {
    const { expectedTotal, ...rest } = JSON.parse(text ?? "");
    const { event, tier, quantity, userId, ticketIds, reference, inDoubt, sentAt } = rest;
    const valid =
      [event, tier, userId].every((value) => typeof value === "string") &&
      [quantity, sentAt].every(isCount) &&
      Array.isArray(ticketIds) &&
      ticketIds.every(isCount) &&
      (expectedTotal === undefined || isAmount(expectedTotal)) &&
      typeof inDoubt === "boolean" &&
      KEY.test(reference);
    const total = expectedTotal === undefined ? {} : { expectedTotal };
    return valid ? { event, tier, quantity, userId, ticketIds, ...total, reference, inDoubt, sentAt } : null;
  } catch {
    return null;
  }
}
