// The last known state of confirmed orders with the codes of their tickets, for a page without a network.

import { orderPath } from "../paths.js";
import { attempt, sharedArea } from "../remembered.js";

/** @import { EventDetails, Order } from "../schemas.js" */

const PREFIX = "kept-order:";
const CODE_PREFIX = "kept-code:";
/** The most orders that the browser keeps, with about 4 kB for each ticket. */
export const KEPT_MAX = 20;

/** @typedef {{ order: Order, event: EventDetails, keptAt: number }} KeptOrder `keptAt` is browser time in milliseconds */

/**
 * Keep a confirmed order, and forget any other. The oldest orders beyond `KEPT_MAX` are forgotten as well.
 * @param {Order} order
 * @param {EventDetails | null} event null: not known yet, so that a confirmed order is kept later
 * @param {number} [now] the browser's time, in milliseconds
 */
export function keepOrder(order, event, now = Date.now()) {
  if (order.status !== "confirmed") return forgetOrder(order.reference);
  if (event === null) return;
  sharedArea.set(PREFIX + order.reference, JSON.stringify({ order, event, keptAt: now }));
  const references = keysWith(PREFIX).map((key) => key.slice(PREFIX.length));
  const keptAt = (/** @type {string} */ reference) => keptOrder(reference)?.keptAt ?? 0;
  references.sort((one, other) => keptAt(other) - keptAt(one));
  references.slice(KEPT_MAX).forEach(forgetOrder);
}

/**
 * Return the last known state of an order, or null if the browser has none.
 * @param {string} reference
 * @returns {KeptOrder | null}
 */
export const keptOrder = (reference) =>
  attempt(() => {
    const kept = JSON.parse(sharedArea.get(PREFIX + reference) ?? "null");
    return kept?.order.reference === reference ? kept : null;
  });

/**
 * Forget an order and the codes of its tickets.
 * @param {string} reference
 */
export function forgetOrder(reference) {
  sharedArea.remove(PREFIX + reference);
  for (const key of keysWith(`${CODE_PREFIX}${orderPath(reference)}/`)) sharedArea.remove(key);
}

/**
 * Forget the orders that a function does not accept, and the codes of their tickets.
 * @param {(reference: string) => boolean} mayStay
 */
export function forgetOrders(mayStay) {
  const references = keysWith(PREFIX).map((key) => key.slice(PREFIX.length));
  for (const reference of references) if (!mayStay(reference)) forgetOrder(reference);
}

/**
 * Keep the code of a ticket.
 * @param {string} path the API's path of its image
 * @param {string} svg
 */
export const keepCode = (path, svg) => sharedArea.set(CODE_PREFIX + path, svg);

/**
 * Return the code of a ticket as SVG, or null if the browser has none.
 * @param {string} path the API's path of its image
 */
export const keptCode = (path) => sharedArea.get(CODE_PREFIX + path);

/** @param {string} prefix */
const keysWith = (prefix) => sharedArea.keys().filter((key) => key.startsWith(prefix));
