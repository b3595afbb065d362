// Changes of the page's state by snapshots of the API. Pure functions.
import { withoutTaken } from "./best_seats.js";
import { hasSameSeats, layOut } from "./seating.js";

/** @import { Snapshot } from "../http.js" */
/** @import { TicketStates, TierAvailability } from "../schemas.js" */
/** @import { EventState } from "./state.js" */

/** The browser's and the server's time, in milliseconds. @typedef {{ now: number, serverNow: number }} Times */

/**
 * Return the browser time at which data was last known to be current.
 *
 * Data ages from the moment at which its own time last changed. Neither a wrong clock of the browser nor a cached
 * response can make data look fresher. Data from an earlier visit keeps its age.
 * @param {string} asOf time of the data
 * @param {string} lastAsOf time of the data before
 * @param {number} lastFreshAt
 * @param {Times} times
 */
function freshnessOf(asOf, lastAsOf, lastFreshAt, { now, serverNow }) {
  if (asOf !== "" && asOf === lastAsOf) return lastFreshAt;
  return now - Math.max(0, serverNow - (Date.parse(asOf) || serverNow));
}

/**
 * Apply the counts of the tiers. Without a chosen tier the cheapest one with available tickets is chosen.
 * @param {EventState} state
 * @param {Snapshot<Record<string, TierAvailability>>} snapshot
 * @param {Times} times
 * @returns {Partial<EventState>}
 */
export function applyCounts(state, { body, asOf }, times) {
  const names = Object.keys(body);
  const empty = names.filter((name) => body[name].available <= 0);
  return {
    counts: body,
    countsAsOf: asOf,
    // A tier may have the name of an object's own member, such as "constructor".
    emptySince: Object.fromEntries(
      empty.map((name) => [name, Object.hasOwn(state.emptySince, name) ? state.emptySince[name] : asOf]),
    ),
    countsFreshAt: freshnessOf(asOf, state.countsAsOf, state.countsFreshAt, times),
    ...chosenTiers(state, body),
  };
}

/**
 * Keep the tiers of the basket under their present names. A ticket that the page has chosen moves to the cheapest tier.
 * @param {EventState} state
 * @param {Record<string, TierAvailability>} counts
 * @returns {Pick<EventState, "tier" | "quantities">}
 */
function chosenTiers({ tier, quantities, isPreset, counts: last }, counts) {
  /** @param {string} name */
  const present = (name) => (Object.hasOwn(counts, name) ? name : renamedTier(name, last, counts));
  const chosen = present(tier) ?? cheapestTier(counts);
  // The store fills the empty basket.
  if (isPreset) return { tier: chosen, quantities: {} };
  return {
    tier: chosen,
    quantities: Object.fromEntries(Object.entries(quantities).map(([name, value]) => [present(name) ?? name, value])),
  };
}

/**
 * Return the cheapest tier with available tickets, or the cheapest of all, so that nobody buys a dearer ticket by
 * oversight; "" without any tier.
 * @param {Record<string, TierAvailability>} counts
 */
function cheapestTier(counts) {
  const byPrice = Object.keys(counts).sort((a, b) => counts[a].price - counts[b].price);
  return byPrice.find((name) => counts[name].available > 0) ?? byPrice[0] ?? "";
}

/**
 * Return the new name of a tier: the tier in its place that has its price and size.
 * @param {string} tier
 * @param {Record<string, TierAvailability> | null} last
 * @param {Record<string, TierAvailability>} counts
 * @returns {string | undefined}
 */
function renamedTier(tier, last, counts) {
  if (!last || !Object.hasOwn(last, tier)) return undefined;
  const name = Object.keys(counts)[Object.keys(last).indexOf(tier)];
  const isSame =
    name !== undefined && counts[name].price === last[tier].price && counts[name].total === last[tier].total;
  return isSame ? name : undefined;
}

/**
 * Apply the states of the seats. Picked seats that are no longer available become lost ones.
 * @param {EventState} state
 * @param {Snapshot<TicketStates>} snapshot
 * @param {Times & { mayLosePicks: boolean }} circumstances `mayLosePicks` is false while the picks are being booked or
 *   may have been: they are then sold to this buyer
 */
export function applyStates(state, { body, asOf }, { mayLosePicks, ...times }) {
  const layout = hasSameSeats(state.layout, body.rows) ? state.layout : layOut(body.rows);
  const seatStates = new Map(
    body.rows.flatMap((row) => row.ids.map((id, column) => /** @type {const} */ ([id, row.states[column]]))),
  );
  const isLost = (/** @type {number} */ id) => mayLosePicks && seatStates.get(id) !== "a";
  /** @type {(id: number, at: number) => boolean} */
  const isTaken = (id, at) => Date.parse(asOf) > at && seatStates.has(id) && seatStates.get(id) !== "a";
  return {
    layout,
    seatStates,
    holds: body.tiers,
    statesAsOf: asOf,
    statesFreshAt: freshnessOf(asOf, state.statesAsOf, state.statesFreshAt, times),
    // Seats from the address may belong to another tier than the one that the page has chosen.
    tier: state.statesAsOf === "" ? (layout.seats.get(state.picks[0])?.tier ?? state.tier) : state.tier,
    picks: state.picks.filter((id) => !isLost(id)),
    offers: mayLosePicks ? withoutTaken(state, isTaken, times.now) : state.offers,
    lost: [...state.lost, ...state.picks.filter(isLost).flatMap((id) => layout.seats.get(id) ?? [])],
    focused: layout.seats.has(state.focused) ? state.focused : (layout.rows[0]?.seats[0]?.id ?? 0),
  };
}
