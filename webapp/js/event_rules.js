// Decisions that depend on an event's times and on its cancellation, as api/services/event_rules.py makes them.
// A page applies them between two responses of the API, by the server's clock. A test compares the two modules.

/** @import { Event } from "./schemas.js" */

/** "" stands for an unknown time. @typedef {Pick<Event, "startsAt"> & Partial<Pick<Event, "state">>} Begins */

const isPast = (/** @type {string} */ time, /** @type {number} */ serverNow) => Date.parse(time) <= serverNow;

/**
 * Return the state of an event's sale: `on_sale`, `upcoming`, `ended` or `cancelled`.
 *
 * A sold out event counts as on sale, because the counts are polled more often than the event.
 * @param {Pick<Event, "state" | "startsAt" | "salesStartAt" | "salesEndAt">} event
 * @param {number} serverNow in milliseconds
 */
export function saleOf({ state, startsAt, salesStartAt, salesEndAt }, serverNow) {
  if (state === "cancelled") return "cancelled";
  if (state === "ended" || isPast(startsAt, serverNow) || (salesEndAt && isPast(salesEndAt, serverNow))) return "ended";
  return isPast(salesStartAt, serverNow) ? "on_sale" : "upcoming";
}

/**
 * Return whether the start of an event has passed. The start of an unknown event has not.
 * @param {Begins} event
 * @param {number} serverNow in milliseconds
 */
export const hasBegun = ({ startsAt }, serverNow) => startsAt !== "" && isPast(startsAt, serverNow);

/**
 * Return whether an event takes place. An unknown event does.
 * @param {Pick<Begins, "state">} event
 */
export const takesPlace = ({ state }) => state !== "cancelled";

/**
 * Return whether buyers may cancel their orders: before the event begins, and always if it is cancelled.
 * @param {Begins} event
 * @param {number} serverNow in milliseconds
 */
export const isRefundable = (event, serverNow) => !takesPlace(event) || !hasBegun(event, serverNow);
