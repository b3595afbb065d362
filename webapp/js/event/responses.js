// Changes of an event's page by responses of the API: the event, its counts and seat states, and outcomes of bookings.
import { checkout } from "../checkout/store.js";
import { serverNow } from "../clock.js";
import { keepFocus } from "../focus.js";
import { removeTickets } from "./address.js";
import { announce } from "./announcements.js";
import { withOffer } from "./best_seats.js";
import { loseSeats } from "./selection.js";
import { applyCounts, applyStates } from "./snapshots.js";
import { getState, getView, update } from "./store.js";
import { isRefusalOver } from "./tiers.js";

/** @import { Snapshot } from "../http.js" */
/** @import { EventDetails, SeatChoice, TicketStates, TierAvailability } from "../schemas.js" */
/** @import { EventState } from "./state.js" */

// The checkout's phases after a refusal that concerns a tier.
const TIER_REFUSALS = ["sold_out", "fewer_left", "all_held"];

// The phases after which the API may name an item that the basket marks.
const ITEM_REFUSALS = ["refused", "invalid", "buyer_limit"];

const times = () => ({ now: Date.now(), serverNow: serverNow() });

/** @param {Snapshot<EventDetails>} snapshot */
export function receiveEvent({ body, asOf }) {
  update({ event: body, eventAsOf: asOf });
  reviewRefusal();
}

/**
 * Change the stock. The visitor needs time to read other bookable tickets before a click books them.
 * @param {Partial<EventState>} changes
 */
function receiveStock(changes) {
  const { bookable, tickets } = getView();
  update(changes);
  if (bookable && getView().tickets !== tickets) update({ stockChangedAt: Date.now() });
}

/** @param {Snapshot<Record<string, TierAvailability>>} snapshot */
export function receiveCounts(snapshot) {
  receiveStock(applyCounts(getState(), snapshot, times()));
  reviewRefusal();
  const announcement = announce(getState(), getView(), Date.now());
  if (announcement) update(announcement);
}

/** @param {Snapshot<TicketStates>} snapshot */
export function receiveStates(snapshot) {
  const state = getState();
  const { sending, phase } = checkout.view.get();
  const mayLosePicks = !sending && phase !== "unreachable" && snapshot.asOf > state.picksAfter;
  const changes = applyStates(state, snapshot, { ...times(), mayLosePicks });
  if (changes.picks.length < state.picks.length) keepFocus();
  receiveStock(changes);
  if (mayLosePicks) removeTickets();
  reviewRefusal();
}

/**
 * @param {{ tier: string, quantity: number }} tickets
 * @param {SeatChoice[]} choices
 */
export function receiveBest({ tier, quantity }, choices) {
  update({ offers: withOffer(getState(), tier, { quantity, choices }, times()) });
}

/**
 * Record the outcome of a booking as the last refusal.
 * @param {string} slug
 */
export function recordOutcome(slug) {
  const state = getState();
  const { phase, event, tier, left, seats_gone: taken, refused_item: item } = checkout.view.get();
  const { offered } = getView();
  const isAboutTier = event === slug && TIER_REFUSALS.includes(phase);
  update({
    ...(taken.length > 0 ? loseSeats(state, taken, Date.now()) : {}),
    refusal: {
      phase,
      tier: isAboutTier ? tier : "",
      item: event === slug && ITEM_REFUSALS.includes(phase) ? item : null,
      left,
      at: serverNow(),
      // The map and the summary report the loss of seats.
      over: taken.some((id) => state.layout.seats.has(id) || offered.includes(id)),
    },
  });
  // The rest of the basket need not wait for held tickets.
  if (isAboutTier && phase === "all_held" && getView().bookable) checkout.stopWaiting();
}

/** End a refusal that newer snapshots contradict, and the wait that it has caused. */
function reviewRefusal() {
  const { refusal } = getState();
  const { tiers, sale } = getView();
  if (refusal.over || !isRefusalOver(getState(), tiers, sale)) return;
  keepFocus();
  update({ refusal: { ...refusal, over: true } });
  if (refusal.phase === "all_held" && checkout.view.get().phase !== "rate_limited") checkout.stopWaiting();
}
