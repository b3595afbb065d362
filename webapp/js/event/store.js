// The store of an event's page: its state, and the hooks that draw pages and seats from it.
import { checkout } from "../checkout/store.js";
import { serverNow } from "../clock.js";
import { useField, useStore } from "../hooks.js";
import { isOwnTicket } from "../own_tickets.js";
import { createStore } from "../store.js";
import { filled } from "./basket.js";
import { deriveView } from "./derive.js";
import { INITIAL_STATE, pastTimes } from "./state.js";

/** @import { Store } from "../store.js" */
/** @import { EventView } from "./derive.js" */
/** @import { EventState } from "./state.js" */

/** @typedef {{ state: "free" | "offered" | "held" | "sold" | "mine", tabIndex: 0 | -1 }} SeatView */

let state = INITIAL_STATE;

export const getState = () => state;

const derive = () =>
  deriveView(state, {
    now: Date.now(),
    serverNow: serverNow(),
    checkout: checkout.view.get(),
    isOwn: isOwnTicket,
  });

const view = createStore(derive());

export const getView = view.get;

/**
 * Draw a component from one field of the page.
 * @template {keyof EventView} Name
 * @param {Name} name
 */
export const useEventView = (name) => useField(view, name);

/**
 * Change the state, and draw the components and seats that look different afterwards.
 * @param {Partial<EventState>} changes
 */
export function update(changes) {
  const [before, { offered }] = [state, view.get()];
  state = filled({ ...state, ...changes });
  view.set(derive());
  const touched = touchedSeats(before, state);
  // An equal offer is the same object, so that a poll touches none of its seats.
  if (offered !== view.get().offered) for (const id of [...offered, ...view.get().offered]) touched.add(id);
  for (const id of touched) seatStores.get(id)?.set(deriveSeat(id));
}

/** Derive the page again: time has passed, or the checkout has changed. */
export const refresh = () => update(pastTimes(state, Date.now()));

/**
 * Start over, for another event.
 * @param {Partial<EventState>} changes
 */
export function reset(changes) {
  seatStores.clear();
  update({ ...INITIAL_STATE, ...changes });
}

// --- Seats: a store for each one, so that a change among a thousand seats draws one ------------------------------

/** @type {Map<number, Store<SeatView>>} */
const seatStores = new Map();
const NAMES = /** @type {const} */ ({ a: "free", h: "held", s: "sold" });

/**
 * @param {number} id
 * @returns {SeatView}
 */
function deriveSeat(id) {
  const letter = /** @type {keyof typeof NAMES} */ (state.seatStates.get(id) ?? "s");
  const isOffered = letter === "a" && view.get().offered.includes(id);
  const name = state.picks.includes(id) ? "mine" : isOffered ? "offered" : NAMES[letter];
  return { state: name, tabIndex: state.focused === id ? 0 : -1 };
}

/**
 * Return the seats that may look different in two states.
 * @param {EventState} last
 * @param {EventState} next
 */
function touchedSeats(last, next) {
  const touched = new Set([last.focused, next.focused, ...last.picks, ...next.picks]);
  for (const [id, letter] of next.seatStates) if (letter !== last.seatStates.get(id)) touched.add(id);
  return touched;
}

/**
 * Draw a component from the state of one seat.
 * @param {number} id
 */
export function useSeat(id) {
  const store = seatStores.get(id) ?? createStore(deriveSeat(id));
  seatStores.set(id, store);
  return useStore(store);
}
