// Which responses about an event a page may show together. Pure functions.

/** @import { Snapshot } from "../http.js" */
/** @import { EventDetails, TicketStates, TierAvailability } from "../schemas.js" */

/**
 * The latest responses about an event; undefined until the first one.
 * @typedef {object} Responses
 * @property {Snapshot<EventDetails>} [event]
 * @property {Snapshot<Record<string, TierAvailability>>} [counts]
 * @property {Snapshot<TicketStates>} [states]
 */

/**
 * Return the names of the responses that are older than another one. The names of tiers mean the same only in responses
 * of one revision of the event.
 * @param {Responses} responses
 * @returns {(keyof Responses)[]}
 */
export function outdated({ event, counts, states }) {
  const revisions = { event: event?.body.revision, counts: counts?.revision, states: states?.revision };
  const newest = Math.max(...Object.values(revisions).map((revision) => revision ?? 0));
  const names = /** @type {(keyof Responses)[]} */ (Object.keys(revisions));
  return names.filter((name) => (revisions[name] ?? newest) < newest);
}

/**
 * Return whether counts belong to a tier of the event. Without a revision the price distinguishes tiers of one name.
 * @param {{ price: number }} tier
 * @param {TierAvailability | undefined} counts
 * @returns {counts is TierAvailability}
 */
export const isCountOf = ({ price }, counts) => counts?.price === price;

/**
 * Return whether counts describe the tiers of an event.
 * @param {EventDetails} event
 * @param {Record<string, TierAvailability>} counts
 */
export const describesTiers = ({ tiers }, counts) =>
  tiers.length === Object.keys(counts).length && tiers.every((tier) => isCountOf(tier, counts[tier.name]));
