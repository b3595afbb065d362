// A visitor's actions on an event's page. While a booking is being sent, the selection does not change.
import { forgetBasket, keepBasket } from "../basket_storage.js";
import { findBest } from "../booking_api.js";
import { checkout } from "../checkout/store.js";
import { keepFocus } from "../focus.js";
import { limitsOf, wantedOf } from "./basket.js";
import { choicesOf, withChoice, withOpenChoice } from "./best_seats.js";
import * as selection from "./selection.js";
import { getState, getView, update } from "./store.js";
import { zoomBy } from "./zoom.js";

/** @import { EventState } from "./state.js" */

/** The controls of the selection, which never book. */
const CONTROLS = ".lost-actions button, .picks button, button.best:enabled";

/** The controls of a tier. @param {string} tier */
const controlsOf = (tier) => `.tier[data-tier="${CSS.escape(tier)}"] button:enabled`;

const isSending = () => checkout.view.get().sending;

/**
 * Change the basket. The button that the visitor has pressed may disappear or be disabled with it.
 * @param {Partial<EventState>} changes
 * @param {string} [controls] selector of the controls that may get its focus
 */
function select(changes, controls = CONTROLS) {
  keepFocus(document.activeElement, controls);
  update({ refusedBy: "", ...changes });
  storeBasket();
  // Tickets of other tiers need not wait for held ones. A rate limit applies to every tier.
  const { tier, phase } = checkout.view.get();
  if (phase === "all_held" && !(getView().quantities[tier] > 0)) checkout.stopWaiting();
}

/** Store the basket of the page, unless the page has chosen its ticket. */
function storeBasket() {
  const { event, tier, quantities, picks, lost, isPreset } = getState();
  if (!event) return;
  if (isPreset) forgetBasket(event.slug);
  else keepBasket(event.slug, { tier, quantities, picks: [...picks, ...lost.map(({ id }) => id)] });
}

/** @param {string} tier */
const limits = (tier) => limitsOf(getState(), tier);

/** @param {string} tier */
function limitsNow(tier) {
  const available = getView().tiers.find(({ name }) => name === tier)?.available ?? 0;
  return { ...limits(tier), available };
}

/** @param {string} tier */
export function add(tier) {
  if (isSending()) return;
  select(selection.addTicket(getState(), tier, limitsNow(tier)), controlsOf(tier));
}

/** @param {string} tier */
export function remove(tier) {
  if (!isSending()) select(selection.removeTicket(getState(), tier, limitsNow(tier)), controlsOf(tier));
}

/** @param {string} tier */
export function removeTier(tier) {
  if (!isSending()) select(selection.removeTier(getState(), tier), `${CONTROLS}, ${controlsOf(tier)}`);
}

/**
 * Choose tickets of another tier instead of those that are not available.
 * @param {string} tier
 */
export function exchange(tier) {
  if (!isSending()) select(selection.exchangeTier(getState(), getView().tier, tier, limitsNow(tier)), controlsOf(tier));
}

/**
 * Pick a seat, or return it if it is picked.
 * @param {number} id
 */
export function pick(id) {
  if (isSending() || !getState().layout.seats.has(id)) return;
  select(selection.togglePick(getState(), id, limits));
}

export async function pickBest() {
  const { event } = getState();
  const { changed_tier: tier } = getView();
  const quantity = wantedOf(getState(), tier);
  const [shown] = choicesOf(getState(), tier, quantity);
  const { choices = [] } = shown ? { choices: [shown] } : await findBest(event?.slug ?? "", tier, quantity);
  // The visitor may have changed the basket meanwhile.
  if (isSending() || choices.length === 0 || wantedOf(getState(), tier) !== quantity) return;
  select(selection.pickSeats(getState(), tier, choices[0].ticketIds));
}

/**
 * Choose an alternative to the seats that the page shows.
 * @param {string} tier
 * @param {number} ticketId its first seat
 */
export function chooseSeats(tier, ticketId) {
  if (!isSending()) select({ offers: withChoice(getState(), tier, ticketId) });
}

/** Return all picked seats: the server then chooses. */
export function unpickAll() {
  if (!isSending()) select(selection.unpickAll(getState()));
}

/** Book the rest of the basket without the lost seats. */
export function keepRest() {
  if (!isSending()) select({ lost: [] });
}

/**
 * Let the API choose the seats when it books, because others keep taking the ones that the page shows.
 * @param {string} tier
 */
export function leaveOpen(tier) {
  if (!isSending()) select({ offers: withOpenChoice(getState(), tier) });
}

/** @param {number} steps */
export const changeZoom = (steps) => update({ zoom: zoomBy(getState(), steps) });

export const toggleList = () => update({ list: !getState().list });
