// A visitor's actions on an event's page. While a booking is being sent, the selection does not change.
import { checkout } from "../checkout/store.js";
import { keepFocus } from "../focus.js";
import { settings } from "../settings.js";
import * as selection from "./selection.js";
import { NO_REMINDER } from "./state.js";
import { getState, getView, update } from "./store.js";
import { zoomBy } from "./zoom.js";

/** @import { EventState } from "./state.js" */

/** The controls of the selection, which never book. */
const CONTROLS = ".lost-actions button, .picks button, .reminder button, button.best:enabled";

const isSending = () => checkout.view.get().sending;

/**
 * Change the selection. The button that the visitor has pressed may disappear with it.
 * @param {Partial<EventState>} changes
 */
function select(changes) {
  keepFocus(document.activeElement, CONTROLS);
  // Another tier need not wait for the held tickets of the last one. A rate limit applies to every tier.
  const isOtherTier = changes.tier !== undefined && changes.tier !== getState().tier;
  if (isOtherTier && checkout.view.get().phase !== "rate_limited") checkout.stopWaiting();
  update({ reminder: NO_REMINDER, ...changes });
}

/** @param {string} tier */
export function choose(tier) {
  if (!isSending()) select(selection.chooseTier(getState(), tier));
}

/** @param {number} by */
export const changeQuantity = (by) => select(selection.changeQuantity(getState(), by, getView()));

/**
 * Pick a seat, or return it if it is picked.
 * @param {number} id
 */
export function pick(id) {
  if (isSending() || !getState().layout.seats.has(id)) return;
  select(selection.togglePick(getState(), id, settings.ticketsMax));
}

export const pickBest = () => select(selection.pickBest(getState(), getView().limit));

/** Pick the seats again that the last choice returned. */
export function restorePicks() {
  if (!isSending()) select(selection.restorePicks(getState()));
}

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
