// Changes of the basket by the visitor's choices. Pure functions. Nothing leaves the basket unless the visitor removes it.
import { exchangedOf, ownPicksOf, picksOf, shownOf, sizeOf, unseated, wantedOf, withQuantity } from "./basket.js";
import { withoutTaken } from "./best_seats.js";
import { nearestSeats } from "./seating.js";
import { isFree, isOpen, NO_ANNOUNCEMENT } from "./state.js";

/** @import { Limits } from "./basket.js" */
/** @import { EventState } from "./state.js" */

/**
 * Return the change to another tier: its stock is announced from now on.
 * @param {EventState} state
 * @param {string} tier
 */
const turnTo = (state, tier) => (tier === state.tier ? {} : { tier, announcement: NO_ANNOUNCEMENT, announcedAt: 0 });

/**
 * Add a ticket of a tier, or as many as a booking needs at least. Picked seats of the tier grow by their nearest free
 * neighbour, which replaces a lost seat.
 * @param {EventState} state
 * @param {string} tier
 * @param {Pick<Limits, "most" | "tierMost" | "tierFewest"> & { available: number }} limits `available` is the number of
 *   available tickets of the tier
 * @returns {Partial<EventState>}
 */
export function addTicket(state, tier, { available, most, tierMost, tierFewest }) {
  const turn = turnTo(state, tier);
  if (state.isPreset && tier !== state.tier) return { ...turn, quantities: { [tier]: tierFewest }, isPreset: false };
  const added = { ...turn, isPreset: false };
  const picks = picksOf(state, tier);
  const last = state.layout.seats.get(picks[picks.length - 1]);
  const isSeated = last !== undefined && unseated(state, tier) === 0;
  const lost = isSeated ? state.lost.find((seat) => seat.tier === tier) : undefined;
  const wanted = wantedOf(state, tier);
  const more = Math.max(1, tierFewest - wanted);
  if (!lost && sizeOf(state) + more > most) return { ...turn, refusedBy: "booking" };
  if (!lost && wanted + more > tierMost) return { ...turn, refusedBy: "tier" };
  if (!lost && wanted >= available) return turn;
  if (!isSeated) return { ...added, quantities: withQuantity(state.quantities, tier, unseated(state, tier) + more) };
  const [seat] = nearestSeats(state.layout, last, (id) => isOpen(state, id));
  if (!seat) return turn;
  return {
    ...added,
    picks: [...state.picks, seat.id],
    // The neighbour of a seat that "Best available" has chosen belongs to the same group.
    bestPicks: state.bestPicks.includes(last.id) ? [...state.bestPicks, seat.id] : state.bestPicks,
    lost: state.lost.filter((each) => each !== lost),
  };
}

/**
 * Remove a ticket of a tier: one without a seat, else the seat that was picked last, else a lost one. Fewer tickets than
 * a booking needs at least are removed together.
 * @param {EventState} state
 * @param {string} tier
 * @param {Pick<Limits, "tierFewest"> & { available: number }} limits `available` is the number of available tickets of the
 *   tier; the basket shows no more
 * @returns {Partial<EventState>}
 */
export function removeTicket(state, tier, { available, tierFewest }) {
  const turn = turnTo(state, tier);
  const picks = picksOf(state, tier);
  const shown = shownOf(state, tier, available);
  const isTooFew = picks.length === 0 && shown <= tierFewest;
  if (shown > 0) return { ...turn, quantities: withQuantity(state.quantities, tier, isTooFew ? 0 : shown - 1) };
  const last = picks.at(-1);
  if (last !== undefined) return { ...turn, picks: state.picks.filter((id) => id !== last) };
  const lost = state.lost.find((seat) => seat.tier === tier);
  return { ...turn, lost: state.lost.filter((seat) => seat !== lost) };
}

/**
 * Remove the tickets of a tier that have no chosen seats.
 * @param {EventState} state
 * @param {string} tier
 * @returns {Partial<EventState>}
 */
export const removeTier = (state, tier) => ({ quantities: withQuantity(state.quantities, tier, 0) });

/**
 * Choose tickets of another tier instead of those of a tier that has too few, as many as its limits permit.
 * @param {EventState} state
 * @param {string} from
 * @param {string} to
 * @param {Pick<Limits, "tierFewest" | "tierMost"> & { available: number }} limits the limits of the other tier
 * @returns {Partial<EventState>}
 */
export function exchangeTier(state, from, to, limits) {
  const picks = state.picks.filter((id) => !picksOf(state, from).includes(id));
  const lost = state.lost.filter((seat) => seat.tier !== from);
  const quantity = unseated(state, to) + exchangedOf(state, from, to, limits);
  return {
    ...turnTo(state, to),
    quantities: withQuantity(withQuantity(state.quantities, from, 0), to, quantity),
    picks,
    lost,
  };
}

/**
 * Pick a free seat, or return a picked one. A pick takes the place of a lost seat of its tier, or of a ticket of its tier
 * without a seat. A pick beyond the limit is refused.
 * @param {EventState} state
 * @param {number} id
 * @param {(tier: string) => Pick<Limits, "most" | "tierMost">} limits returns the limits for a tier
 * @returns {Partial<EventState>}
 */
export function togglePick(state, id, limits) {
  const seat = state.layout.seats.get(id);
  if (!seat) return {};
  const turn = { ...turnTo(state, seat.tier), focused: id };
  if (state.picks.includes(id)) return { ...turn, picks: state.picks.filter((each) => each !== id) };
  if (!isFree(state, id)) return { focused: id };
  const bestPicks = state.bestPicks.filter((each) => each !== id);
  const picked = { ...turn, isPreset: false, picks: [...state.picks, id], bestPicks };
  // The same seat if it is free again, else the first lost seat of its tier.
  const lost = state.lost.find((each) => each.id === id) ?? state.lost.find((each) => each.tier === seat.tier);
  if (lost) return { ...picked, lost: state.lost.filter((each) => each !== lost) };
  if (state.isPreset) return { ...picked, quantities: {} };
  const others = unseated(state, seat.tier);
  if (others > 0) return { ...picked, quantities: withQuantity(state.quantities, seat.tier, others - 1) };
  const { most, tierMost } = limits(seat.tier);
  if (sizeOf(state) >= most) return { focused: id, refusedBy: "booking" };
  return wantedOf(state, seat.tier) < tierMost ? picked : { ...turn, refusedBy: "tier" };
}

/**
 * Pick the best seats of a tier in place of its tickets without seats, its lost seats and the best seats picked before.
 * The seats that the visitor has picked stay.
 * @param {EventState} state
 * @param {string} tier
 * @param {number[]} ids
 * @returns {Partial<EventState>}
 */
export function pickBestSeats(state, tier, ids) {
  const [picks, own] = [picksOf(state, tier), ownPicksOf(state, tier)];
  const others = state.picks.filter((id) => !picks.includes(id) || own.includes(id));
  return {
    isPreset: false,
    quantities: withQuantity(state.quantities, tier, 0),
    picks: [...others, ...ids],
    bestPicks: [...state.bestPicks.filter((id) => !picks.includes(id)), ...ids],
    lost: state.lost.filter((seat) => seat.tier !== tier),
  };
}

/**
 * Return all picked and lost seats, but keep as many tickets of their tiers.
 * @param {EventState} state
 * @returns {Partial<EventState>}
 */
export function unpickAll(state) {
  const seats = [...state.picks.flatMap((id) => state.layout.seats.get(id) ?? []), ...state.lost];
  const quantities = seats.reduce(
    (sum, { tier }) => withQuantity(sum, tier, unseated({ quantities: sum }, tier) + 1),
    state.quantities,
  );
  return { quantities, picks: [], bestPicks: [], lost: [] };
}

/**
 * Mark picked seats as lost that the API refused because others have them, and drop the offers with such seats. The next
 * seat states may still be old.
 * @param {EventState} state
 * @param {number[]} ids
 * @param {number} now the browser's time, in milliseconds
 */
export function loseSeats(state, ids, now) {
  const taken = ids.flatMap((id) => state.layout.seats.get(id) ?? []);
  const seatStates = new Map(state.seatStates);
  for (const seat of taken) seatStates.set(seat.id, "s");
  const picked = taken.filter(({ id }) => state.picks.includes(id));
  const lost = [...state.lost.filter((seat) => !picked.includes(seat)), ...picked];
  const offers = withoutTaken(state, (id) => ids.includes(id), now);
  return { seatStates, lost, offers, picks: state.picks.filter((id) => !ids.includes(id)) };
}
