// A visitor's actions on an event's page. While a booking is being sent, the selection does not change.
import { forgetBasket, keepBasket } from "../basket_storage.js";
import { checkout } from "../checkout/store.js";
import { keepFocus } from "../focus.js";
import { limitsOf, ownPicksOf } from "./basket.js";
import { choicesOf, withChoice, withOpenChoice } from "./best_seats.js";
import { searchSeats } from "./search.js";
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
  const { event, tier, quantities, picks, bestPicks, lost, isPreset } = getState();
  if (!event) return;
  if (isPreset) forgetBasket(event.slug);
  else keepBasket(event.slug, { tier, quantities, picks: [...picks, ...lost.map(({ id }) => id)], bestPicks });
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

/** Pick the best seats for the tickets of a tier, except for the seats that the visitor has picked. */
export async function pickBest() {
  const { event, offers } = getState();
  const { best_tier: tier, best_quantity: quantity } = getView();
  const own = ownPicksOf(getState(), tier);
  const [shown] = choicesOf({ offers, picks: own }, tier, quantity);
  const seats = shown?.ticketIds ?? (await searchSeats(event?.slug ?? "", tier, quantity, own));
  // The visitor may have changed the basket meanwhile.
  const { best_tier, best_quantity } = getView();
  const isSame = best_tier === tier && best_quantity === quantity;
  if (isSending() || !isSame || String(ownPicksOf(getState(), tier)) !== String(own)) return;
  select(seats.length > 0 ? selection.pickBestSeats(getState(), tier, seats) : { refusedBy: "search" });
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
