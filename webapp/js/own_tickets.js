// The tickets of this browser's live orders, for all its tabs: a page that loses seats to another tab says so.
import { seatsInDoubt } from "./checkout/storage.js";
import { isReturned } from "./orders/order.js";
import { sharedArea } from "./remembered.js";

/** @import { Order } from "./booking_api.js" */

const PREFIX = "order-tickets:";
// The order's page may never be opened again, so that a later cancellation would stay unknown.
const KEPT_FOR_MS = 24 * 3_600_000;

/** @typedef {{ ticketIds: number[], until: number }} StoredTickets `until` is a browser time in milliseconds */

/**
 * Store the tickets of an order that this browser has made. The end of a hold ends the record.
 * @param {Order} order
 * @param {number} [now] the browser's time, in milliseconds
 */
export function keepTickets({ reference, status, bookings, expiresAt }, now = Date.now()) {
  for (const key of keys()) if (!(read(key).until > now)) sharedArea.remove(key);
  const until = status === "pending" ? Date.parse(expiresAt ?? "") : now + KEPT_FOR_MS;
  const ticketIds = bookings.filter((booking) => !isReturned(booking)).map(({ ticketId }) => ticketId);
  sharedArea.set(PREFIX + reference, JSON.stringify({ ticketIds, until }));
}

/**
 * Update the stored tickets of an order, if this browser has made it: it may have ended, or its hold may be paid.
 * @param {Order} order
 */
export function reviewTickets(order) {
  if (!keys().includes(PREFIX + order.reference)) return;
  if (order.status === "confirmed" || order.status === "pending") keepTickets(order);
  else dropTickets(order.reference);
}

/**
 * Remove the stored tickets of an order that has released them.
 * @param {string} reference
 */
export const dropTickets = (reference) => sharedArea.remove(PREFIX + reference);

/**
 * Remove the stored tickets of the orders that a function does not accept.
 * @param {(reference: string) => boolean} mayStay
 */
export function forgetTickets(mayStay) {
  for (const key of keys()) if (!mayStay(key.slice(PREFIX.length))) sharedArea.remove(key);
}

/**
 * Return true if a ticket belongs to an order of this browser, or may belong to one that another tab is sending.
 * @param {number} id
 * @param {number} [now] the browser's time, in milliseconds
 */
export function isOwnTicket(id, now = Date.now()) {
  const isOf = (/** @type {StoredTickets} */ { ticketIds, until }) => until > now && ticketIds.includes(id);
  return keys().map(read).some(isOf) || seatsInDoubt().includes(id);
}

const keys = () => sharedArea.keys().filter((key) => key.startsWith(PREFIX));

/**
 * Read stored tickets; none if the text is anything else.
 * @param {string} key
 * @returns {StoredTickets}
 */
function read(key) {
  try {
    const { ticketIds, until } = JSON.parse(sharedArea.get(key) ?? "");
    return { ticketIds: Array.isArray(ticketIds) ? ticketIds : [], until };
  } catch {
    return { ticketIds: [], until: 0 };
  }
}
