// The state of an event's page. Everything that the page shows is derived from it (derive.js).
import { EMPTY_LAYOUT } from "./seating.js";

/** @import { Item } from "../checkout/purchase.js" */
/** @import { EventDetails, TierAvailability, TierState } from "../schemas.js" */
/** @import { Offer } from "./best_seats.js" */
/** @import { Layout, Seat } from "./seating.js" */

/**
 * The last refusal of a booking.
 * @typedef {object} Refusal
 * @property {string} phase the checkout's phase; "" without a refusal
 * @property {string} tier "" if the refusal does not concern a tier
 * @property {Item | null} item the refused part of the basket; null without one
 * @property {number} left tickets of the tier that were left
 * @property {number} at time of the refusal by the server's clock, in milliseconds
 * @property {boolean} over true once newer snapshots contradict the refusal, or another part of the page reports it
 */

/** A text for screen readers; `code` is `left`, `sold_out`, `all_held` or "". @typedef {{ code: string, tier: string, left: number }} Announcement */

/**
 * @typedef {object} EventState
 * @property {EventDetails | null} event null until the first response
 * @property {string} eventAsOf
 * @property {boolean} missing the API responded that there is no such event
 * @property {boolean} failed the last request for the event or the counts failed
 * @property {Record<string, TierAvailability> | null} counts by tier; null until the first response
 * @property {string} countsAsOf
 * @property {Record<string, string>} emptySince by tier without an available ticket: time of the first such counts
 * @property {number} countsFreshAt browser time, in milliseconds, at which the counts were last known to be current
 * @property {Record<string, TierState>} holds by tier
 * @property {Map<number, string>} seatStates by ticket: a available, h held, s sold
 * @property {string} statesAsOf "" until the first response
 * @property {number} statesFreshAt like `countsFreshAt`
 * @property {boolean} statesFailed
 * @property {Layout} layout
 * @property {Refusal} refusal
 * @property {string} tier the tier that the visitor has changed last
 * @property {Record<string, number>} quantities tickets in the basket without chosen seats, by tier; never 0
 * @property {boolean} isPreset true while the basket is the one ticket that the page has chosen
 * @property {number[]} picks ids of the picked seats of any tier, in the order of picking
 * @property {number[]} bestPicks ids of the picks that "Best available" has chosen; other ids have no effect
 * @property {Record<string, Offer>} offers the best seats for tickets without chosen seats, by tier
 * @property {string} picksAfter time of the picks; older seat states do not show the loss of a pick
 * @property {Seat[]} lost picked seats that other buyers took
 * @property {"" | "booking" | "tier" | "search"} refusedBy the reason that has refused the visitor's last choice: the limit of
 *   all tickets of a booking, the limit of the tickets of `tier`, or a search without seats
 * @property {number} stockChangedAt browser time, in milliseconds, at which new counts or seat states have last changed
 *   the bookable tickets
 * @property {number} focused id of the seat in the tab order
 * @property {number} zoom index of `ZOOM_LEVELS`, or -1 for the whole map
 * @property {number} fit scale at which the whole map is visible; 1 if it always is
 * @property {boolean} list true while the list of seats is open
 * @property {Announcement} announcement
 * @property {number} announcedAt browser time, in milliseconds
 */

/** @type {Refusal} */
const NO_REFUSAL = { phase: "", tier: "", item: null, left: 0, at: 0, over: false };

/** @type {Announcement} */
export const NO_ANNOUNCEMENT = { code: "", tier: "", left: 0 };

/** @type {EventState} */
export const INITIAL_STATE = {
  event: null,
  eventAsOf: "",
  missing: false,
  failed: false,
  counts: null,
  countsAsOf: "",
  emptySince: {},
  countsFreshAt: 0,
  holds: {},
  seatStates: new Map(),
  statesAsOf: "",
  statesFreshAt: 0,
  statesFailed: false,
  layout: EMPTY_LAYOUT,
  refusal: NO_REFUSAL,
  tier: "",
  quantities: {},
  offers: {},
  isPreset: false,
  picks: [],
  bestPicks: [],
  picksAfter: "",
  lost: [],
  refusedBy: "",
  stockChangedAt: 0,
  focused: 0,
  zoom: 0,
  fit: 1,
  list: false,
  announcement: NO_ANNOUNCEMENT,
  announcedAt: 0,
};

/**
 * Return the state's times by the browser's clock, none of them in the future. A clock that is set back would make old
 * data look fresh.
 * @param {EventState} state
 * @param {number} now the browser's time, in milliseconds
 */
export const pastTimes = ({ countsFreshAt, statesFreshAt, stockChangedAt, announcedAt }, now) => ({
  countsFreshAt: Math.min(countsFreshAt, now),
  statesFreshAt: Math.min(statesFreshAt, now),
  stockChangedAt: Math.min(stockChangedAt, now),
  announcedAt: Math.min(announcedAt, now),
});

/**
 * @param {EventState} state
 * @param {number} id
 */
export const isFree = (state, id) => state.seatStates.get(id) === "a";

/**
 * Return true if a seat is free and not picked.
 * @param {EventState} state
 * @param {number} id
 */
export const isOpen = (state, id) => isFree(state, id) && !state.picks.includes(id);
