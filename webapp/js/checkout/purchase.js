// A purchase: the tickets that a buyer wants, and the key that makes repeating the request harmless. Pure functions.

import { readEmail } from "../email.js";
import { newSecret } from "../secrets.js";
import { readName } from "../text.js";

/** @import { Contact, Locale } from "../email.js" */
/** @import { NameFault } from "../text.js" */

/**
 * A part of a purchase: tickets of one tier, by number or as chosen seats.
 * @typedef {object} Item
 * @property {string} tier Name of the tier.
 * @property {number} quantity Number of tickets.
 * @property {number[]} ticketIds The chosen tickets; empty: any tickets of the tier.
 * @property {boolean} [isOffered] True if the page has chosen the seats, so that others may take their place.
 */

/**
 * @typedef {object} Purchase
 * @property {string} event Slug of the event.
 * @property {Item[]} items Its tickets, all or none of which are booked.
 * @property {string} userId Name of the buyer.
 * @property {number} [expectedTotal] The total that the page showed, in the currency's major unit. An earlier release
 *   stored purchases without it.
 * @property {string} [email] The buyer's address, if there is one.
 * @property {Locale} [locale] The language for messages to that address.
 * @property {string} reference Idempotency key and, once booked, reference of the order.
 * @property {string} [secret] The secret that gives access to the order. An earlier release stored purchases without it.
 * @property {boolean} inDoubt True if a request was sent and its outcome is unknown.
 * @property {number} sentAt Browser time of the last request in milliseconds; 0: never sent.
 */

/**
 * The part of a purchase that the buyer chooses.
 * @typedef {Pick<Purchase, "event" | "items" | "userId" | "expectedTotal" | "email" | "locale">} Wanted
 */

/** @typedef {NameFault | "email_invalid" | "tickets_missing" | "total_missing"} Fault */

/** The start of the faults of a field, by its name. @type {Record<string, string>} */
const FAULTS_OF_FIELD = { user_id: "user_", email: "email_" };

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

/**
 * @param {any} value
 * @returns {Item | null} null: the value is not an item
 */
function itemOf(value) {
  const { tier, quantity, ticketIds, isOffered } = value ?? {};
  const valid = typeof tier === "string" && isCount(quantity) && Array.isArray(ticketIds) && ticketIds.every(isCount);
  return valid ? { tier, quantity, ticketIds, ...(isOffered === true ? { isOffered } : {}) } : null;
}

/**
 * @param {unknown} values
 * @returns {Item[] | null} null: some value is not an item
 */
function itemsOf(values) {
  const items = Array.isArray(values) ? values.map(itemOf) : [];
  return items.length > 0 && items.every((item) => item !== null) ? items : null;
}

/**
 * Return true if a fault is about a field of the form.
 * @param {string} field name of the field
 * @param {string} fault
 */
export const isFaultOf = (field, fault) => field in FAULTS_OF_FIELD && fault.startsWith(FAULTS_OF_FIELD[field]);

/**
 * Read the form's fields, or return the code of their fault. The API checks them again.
 * @param {Record<string, string>} fields `items` is JSON
 * @param {Locale} locale language for messages to the buyer's address
 * @returns {{ wanted: Wanted } | { fault: Fault }}
 */
export function readForm(fields, locale) {
  const buyer = readName(fields.user_id ?? "");
  const items = itemsOf(JSON.parse(fields.items || "[]"));
  const expectedTotal = fields.total ? Number(fields.total) : NaN;
  if (!items?.every(({ tier, quantity }) => tier !== "" && quantity > 0)) return { fault: "tickets_missing" };
  if ("fault" in buyer) return buyer;
  const address = readEmail(fields.email ?? "");
  if ("fault" in address) return address;
  if (!isAmount(expectedTotal)) return { fault: "total_missing" };
  const contact = address.email ? { email: address.email, locale } : {};
  return { wanted: { event: fields.event ?? "", items, userId: buyer.name, expectedTotal, ...contact } };
}

/**
 * Give the wanted tickets a key and a secret. A tab keeps both until a purchase is booked or declined under the key.
 * @param {Wanted} wanted
 * @param {Purchase | null} earlier The tab's last purchase whose key is not spent.
 * @returns {Purchase}
 */
export function withKey(wanted, earlier) {
  const key = earlier ?? { reference: newKey(), secret: newSecret(), inDoubt: false, sentAt: 0 };
  const { reference, secret, inDoubt, sentAt } = key;
  return { ...wanted, reference, ...(secret === undefined ? {} : { secret }), inDoubt, sentAt };
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
  const keyless = (/** @type {Wanted} */ { event, items, userId, expectedTotal, email, locale }) =>
    JSON.stringify([
      event,
      items.map(({ tier, quantity, ticketIds }) => [tier, quantity, ticketIds]),
      userId,
      expectedTotal,
      email,
      locale,
    ]);
  return keyless(one) === keyless(other);
}

/**
 * Return the number of tickets of each tier as text, in a fixed order. Two choices of equal text differ at most in seats.
 * @param {Item[]} items
 */
export function countsOf(items) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const { tier, quantity } of items) counts.set(tier, (counts.get(tier) ?? 0) + quantity);
  return JSON.stringify([...counts].sort());
}

/**
 * Return the tickets of an order as items, one for each tier.
 * @param {import("../booking_api.js").Order} order
 * @returns {Item[]}
 */
function itemsOfOrder({ bookings }) {
  const tiers = [...new Set(bookings.map(({ tier }) => tier))];
  return tiers.map((tier) => {
    const ticketIds = bookings.filter((line) => line.tier === tier).map(({ ticketId }) => ticketId);
    return { tier, quantity: ticketIds.length, ticketIds };
  });
}

/**
 * Return the purchase of the tickets of a failed order. They are the same, also without seats: a late payment of that
 * order cannot reclaim them while this buyer has them.
 * @param {import("../booking_api.js").Order} order
 * @param {number | undefined} newTotal total that the page shows instead of the order's
 * @param {Contact} contact
 * @returns {Wanted}
 */
export const wantedAgain = (order, newTotal, contact) => ({
  event: order.event,
  items: itemsOfOrder(order),
  userId: order.bookings[0].userId,
  expectedTotal: newTotal ?? order.total,
  ...contact,
});

/**
 * Return the index of the item that an outcome is about: the one that the API names, or the only one; -1 without one.
 * @param {Item[]} items
 * @param {number} index -1: the API names none
 */
export const concernedIndex = (items, index) => (items[index] ? index : items.length === 1 ? 0 : -1);

/**
 * Read a purchase back from browser storage; null if the text is anything else. An earlier release stored the fields of
 * its only item in the purchase itself.
 * @param {string | null} text
 * @returns {Purchase | null}
 */
export function parsePurchase(text) {
  try {
    const { expectedTotal, secret, email, locale, ...rest } = JSON.parse(text ?? "");
    const { event, userId, reference, inDoubt, sentAt } = rest;
    const items = itemsOf(rest.items ?? [rest]);
    const valid =
      [event, userId].every((value) => typeof value === "string") &&
      isCount(sentAt) &&
      (expectedTotal === undefined || isAmount(expectedTotal)) &&
      [secret, email, locale].every((value) => value === undefined || typeof value === "string") &&
      typeof inDoubt === "boolean" &&
      KEY.test(reference);
    const optional = {
      ...(expectedTotal === undefined ? {} : { expectedTotal }),
      ...(secret === undefined ? {} : { secret }),
      ...(email === undefined ? {} : { email, locale }),
    };
    return valid && items ? { event, items, userId, ...optional, reference, inDoubt, sentAt } : null;
  } catch {
    return null;
  }
}
