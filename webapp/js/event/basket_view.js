// Derivation of what an event's page shows of the basket: steppers, entries, seats by number, limits. Pure functions.
import { countsOf } from "../checkout/purchase.js";
import {
  entriesOf,
  isBookable,
  itemsOf,
  limitsOf,
  missingOf,
  shownOf,
  sizeOf,
  totalOf,
  unseated,
  wantedOf,
} from "./basket.js";
import { describeChoice, isUnseen, missingOffers, READING_MS, takenOf } from "./best_seats.js";

/** @import { Entry } from "./basket.js" */
/** @import { EventState } from "./state.js" */
/** @import { TierView } from "./tiers.js" */

/** @typedef {ReturnType<typeof withStepper>} SteppedTier */

/**
 * Return a tier with the state of its stepper; `at_least` and `at_most` are the limits of its tickets in a booking.
 * @param {EventState} state
 * @param {TierView} tier
 */
export function withStepper(state, tier) {
  const hidden = tier.known ? unseated(state, tier.name) - shownOf(state, tier.name, tier.available) : 0;
  const wanted = wantedOf(state, tier.name) - hidden;
  const size = sizeOf(state);
  const { most, tierFewest, tierMost } = limitsOf(state, tier.name);
  const isFull = size >= most || wanted >= Math.min(tier.available, tierMost);
  return {
    ...tier,
    wanted,
    // The basket is never empty.
    fewest: wanted === 0 || state.isPreset || (wanted === size && wanted <= Math.max(1, tierFewest)),
    // The first ticket of another tier takes the place of the one that the page has chosen.
    most: state.isPreset && tier.name !== state.tier ? tier.available <= 0 : isFull,
    at_least: tierFewest,
    at_most: tierMost,
  };
}

/**
 * Derive the entries of the basket, its total and the seats of its tickets by number.
 * @param {EventState} state
 * @param {SteppedTier[]} tiers
 * @param {{ currencyDigits: number, now: number, isOwn: (id: number) => boolean }} surroundings `now` is the browser's
 *   time, in milliseconds; `isOwn` returns true for a ticket of an order of this browser
 */
export function deriveBasket(state, tiers, { currencyDigits, now, isOwn }) {
  const entries = entriesOf(state, tiers);
  // Without the tickets that are gone the rest can be booked, once the visitor has read what is left.
  const rest = entries.filter(isBookable);
  const items = itemsOf(rest);
  const prices = Object.fromEntries(tiers.map((tier) => [tier.name, tier.price]));
  const someBookable = state.counts !== null && rest.length > 0;
  const bookable = someBookable && entries.every(({ fault }) => fault !== "unknown");
  const isSeated = (/** @type {string} */ name) => tiers.some((tier) => tier.seated && tier.name === name);
  const byNumber = rest.filter((entry) => entry.seat === 0 && isSeated(entry.tier));
  const shown = entries.map((entry) => ({
    ...describeEntry(state, entry, isOwn),
    total: totalOf([entry], prices, currencyDigits),
  }));
  return {
    // A tier without tickets first, then one with fewer tickets than were chosen.
    short: (entries.find((entry) => !isBookable(entry)) ?? entries.find(({ fault }) => fault === "fewer"))?.tier,
    missingOffers: missingOffers(state, byNumber),
    // After a loss the buyer first decides on another seat or on fewer seats.
    isUndecided:
      now - state.stockChangedAt < READING_MS ||
      isUnseen(state, byNumber, now) ||
      state.lost.length > 0 ||
      state.picks.some((id) => !state.layout.seats.has(id)),
    fields: {
      entries: shown,
      bookable,
      some_bookable: someBookable,
      missing: missingOf(state, entries),
      // The line of the total names the only entry already, unless it is a seat or has a fault.
      has_chips: entries.length > 1 || entries.some(({ seat, fault }) => seat > 0 || fault !== ""),
      // For tickets without shown seats the API chooses seats when it books.
      seats_later: shown.some(
        (entry) => byNumber.some(({ key }) => key === entry.key) && entry.seats.length === 0 && !entry.lost,
      ),
      has_offers: shown.some(({ seats, lost }) => seats.length > 0 || lost),
      has_picks: state.picks.length > 0,
      only_tier: new Set(entries.map(({ tier }) => tier)).size === 1 ? entries[0].tier : "",
      quantity: rest.reduce((sum, entry) => sum + entry.quantity, 0),
      quantities: Object.fromEntries(tiers.map(({ name }) => [name, wantedOf(state, name)])),
      offered: entries.flatMap(({ seats: [choice] }) => choice?.ticketIds ?? []),
      tickets: countsOf(items),
      items: JSON.stringify(items),
      prices,
      total: bookable ? totalOf(rest, prices, currencyDigits) : 0,
    },
  };
}

/**
 * @param {EventState} state
 * @param {Entry} entry
 * @param {(id: number) => boolean} isOwn
 */
function describeEntry(state, { seats, ...entry }, isOwn) {
  // The page searches no other seats of a tier without tickets.
  const taken = entry.seat === 0 && isBookable(entry) ? takenOf(state, entry) : [];
  return {
    ...entry,
    lost: taken.length > 0,
    lost_to_own: taken.length > 0 && taken.every((id) => isOwn(id)),
    seats: seats.slice(0, 1).map(describeChoice),
    others: seats.slice(1).map(describeChoice),
  };
}

/**
 * Derive the limits that the page names, and those that the basket does not meet.
 * @param {EventState} state
 * @param {SteppedTier[]} tiers
 * @param {SteppedTier | undefined} chosen
 * @param {number} quantity the number of bookable tickets in the basket
 */
export function deriveLimits(state, tiers, chosen, quantity) {
  const short = tiers.find(({ wanted, at_least }) => wanted > 0 && wanted < at_least);
  const over = tiers.find(({ wanted, at_most }) => wanted > at_most);
  const { most, fewest, isOfBuyer, isTierOfBuyer } = limitsOf(state, chosen?.name ?? "");
  const tierMost = chosen?.at_most ?? most;
  const limit = Math.max(1, Math.min(tierMost, chosen?.known ? chosen.available : tierMost));
  return {
    limit,
    scarce: limit < tierMost,
    full: sizeOf(state) === most && most > 1,
    most_tickets: most,
    per_person: isOfBuyer,
    tier_most: tierMost,
    tier_per_person: isTierOfBuyer,
    tier_full: tierMost < most && (chosen?.wanted ?? 0) >= tierMost,
    fewest_tickets: fewest,
    too_few: quantity > 0 && quantity < fewest,
    short_tier: short?.name ?? "",
    short_fewest: short?.at_least ?? 0,
    // The stored basket may be older than the limits.
    surplus: Math.max(0, quantity - most),
    over_tier: over?.name ?? "",
    over_most: over?.at_most ?? 0,
    over_per_person: limitsOf(state, over?.name ?? "").isTierOfBuyer,
    over_surplus: over ? over.wanted - over.at_most : 0,
    refused_by: state.refusedBy,
  };
}
