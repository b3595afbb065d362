// Changes of the page's state by the visitor's choices. Pure functions.
import { bestSeats, nearestSeats } from "./seating.js";
import { isFree, isOpen, NO_ANNOUNCEMENT, NO_REMINDER } from "./state.js";

/** @import { EventState } from "./state.js" */

/**
 * Choose a tier. Picks of another tier are returned, and the visitor can restore them.
 * @param {EventState} state
 * @param {string} tier
 * @returns {Partial<EventState>}
 */
export const chooseTier = (state, tier) => ({
  tier,
  picks: [],
  lost: [],
  reminder: tier === state.tier ? NO_REMINDER : reminderOf(state),
  announcement: NO_ANNOUNCEMENT,
  announcedAt: 0,
});

/**
 * Return the reminder of the picks that a choice of another tier returns.
 * @param {EventState} state
 */
const reminderOf = ({ picks, tier }) =>
  picks.length > 0 ? { reason: /** @type {const} */ ("other_tier"), tier, picks } : NO_REMINDER;

/**
 * Pick the returned seats again that are still free.
 * @param {EventState} state
 * @returns {Partial<EventState>}
 */
export function restorePicks(state) {
  const { tier, picks } = state.reminder;
  const free = picks.filter((id) => isFree(state, id));
  return free.length > 0 ? { tier, picks: free, quantity: free.length, lost: [] } : {};
}

/**
 * Change the number of tickets. Picked seats grow by their nearest free neighbours and shrink from the last one on.
 * @param {EventState} state
 * @param {number} by
 * @param {{ quantity: number, limit: number }} view
 * @returns {Partial<EventState>}
 */
export function changeQuantity(state, by, { quantity, limit }) {
  const wanted = Math.max(1, Math.min(quantity + by, limit));
  if (state.picks.length === 0) return { quantity: wanted };
  const last = state.layout.seats.get(state.picks[state.picks.length - 1]);
  const added =
    by > 0 && last ? nearestSeats(state.layout, last, (id) => isOpen(state, id), wanted - state.picks.length) : [];
  const picks = [...state.picks, ...added.map((seat) => seat.id)].slice(0, wanted);
  const lost = state.lost.slice(added.length);
  return { quantity: picks.length + lost.length, picks, lost };
}

/**
 * Pick a free seat, or return a picked one. A seat of another tier replaces all picks, and a pick beyond the limit is
 * refused. A reminder tells the visitor about both.
 * @param {EventState} state
 * @param {number} id
 * @param {number} ticketsMax limit of tickets for each booking
 * @returns {Partial<EventState>}
 */
export function togglePick(state, id, ticketsMax) {
  const seat = state.layout.seats.get(id);
  if (!seat) return {};
  if (state.picks.includes(id)) {
    const picks = state.picks.filter((each) => each !== id);
    return { focused: id, picks, quantity: Math.max(1, picks.length + state.lost.length) };
  }
  if (!isFree(state, id)) return { focused: id };
  const { picks, lost } = seat.tier === state.tier ? state : { picks: [], lost: [] };
  if (picks.length >= ticketsMax) return { focused: id, reminder: { reason: "limit", tier: state.tier, picks: [] } };
  // The pick replaces one lost seat: the same seat if it is free again, else the first lost seat.
  const others = lost.filter((each) => each.id !== id);
  const stillLost = others.length < lost.length ? others : lost.slice(1);
  return {
    tier: seat.tier,
    focused: id,
    picks: [...picks, id],
    quantity: picks.length + 1 + stillLost.length,
    lost: stillLost,
    reminder: seat.tier === state.tier ? NO_REMINDER : reminderOf(state),
  };
}

/**
 * Pick the best free seats of the chosen tier.
 * @param {EventState} state
 * @param {number} limit
 * @returns {Partial<EventState>}
 */
export function pickBest(state, limit) {
  const quantity = Math.min(state.quantity, limit);
  const picks = bestSeats(state.layout, state.tier, quantity, (id) => isFree(state, id)).map((seat) => seat.id);
  return picks.length > 0 ? { picks, quantity: picks.length, lost: [] } : {};
}

/**
 * Mark seats as lost that the API refused because others have them. The next seat states may still be old.
 * @param {EventState} state
 * @param {number[]} ids
 */
export function loseSeats(state, ids) {
  const taken = ids.flatMap((id) => state.layout.seats.get(id) ?? []);
  const seatStates = new Map(state.seatStates);
  for (const seat of taken) seatStates.set(seat.id, "s");
  const lost = [...state.lost.filter(({ id }) => !ids.includes(id)), ...taken];
  return { seatStates, lost, picks: state.picks.filter((id) => !ids.includes(id)) };
}
