// A visitor's actions on an event's page. While a booking is being sent, the selection does not change.
import { checkout } from "../checkout/store.js";
import { keepFocus } from "../focus.js";
import { settings } from "../settings.js";
import * as selection from "./selection.js";
import { getState, getView, update } from "./store.js";
import { zoomBy } from "./zoom.js";

/** @import { EventState } from "./state.js" */

const isSending = () => checkout.view.get().sending;

/**
 * Change the selection. The button that the visitor has pressed may disappear with it.
 * @param {Partial<EventState>} changes
 */
function select(changes) {
  keepFocus();
  // Another tier need not wait for the held tickets of the last one. A rate limit applies to every tier.
  const isOtherTier = changes.tier !== undefined && changes.tier !== getState().tier;
  if (isOtherTier && checkout.view.get().phase !== "rate_limited") checkout.stopWaiting();
  update(changes);
}

/** @param {string} tier */
export function choose(tier) {
  if (!isSending()) select(selection.chooseTier(tier));
}

/** @param {number} by */
export const changeQuantity = (by) => update(selection.changeQuantity(getState(), by, getView()));

/**
 * Pick a seat, or return it if it is picked.
 * @param {number} id
 */
export function pick(id) {
  if (isSending() || !getState().layout.seats.has(id)) return;
  select(selection.togglePick(getState(), id, settings.ticketsMax));
}

export const pickBest = () => update(selection.pickBest(getState(), getView().limit));

/** Return all picked seats: the server then chooses. */
export function unpickAll() {
  if (!isSending()) select({ picks: [], lost: [] });
}

/** Book the remaining picks without the lost seats. */
export function keepPicks() {
  if (!isSending()) select({ quantity: getState().picks.length, lost: [] });
}

/** @param {number} steps */
export const changeZoom = (steps) => update({ zoom: zoomBy(getState(), steps) });

export const toggleList = () => update({ list: !getState().list });
