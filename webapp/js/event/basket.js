// The basket of an event's page: tickets of any tiers by number, and seats of the map. Pure functions.
import { sumOf } from "../money.js";
import { choicesOf } from "./best_seats.js";

/** @import { Item } from "../checkout/purchase.js" */
/** @import { EventDetails, SeatChoice } from "../schemas.js" */
/** @import { EventState } from "./state.js" */
/** @import { TierView } from "./tiers.js" */

/** The tickets in a state. @typedef {Pick<EventState, "quantities" | "picks" | "lost">} Tickets */

/**
 * One entry of the basket, which the visitor can remove: tickets of a tier by number, or a seat.
 * @typedef {object} Entry
 * @property {string} key
 * @property {string} tier
 * @property {number} quantity bookable tickets
 * @property {number} seat id of the picked seat; 0: tickets by number
 * @property {string} row "" without a seat
 * @property {number} number the number on the chair; 0 without a seat
 * @property {SeatChoice[]} seats the seats that the page shows for tickets by number, then the alternatives
 * @property {"" | "fewer" | "gone" | "unknown" | "refused"} fault the reason why it is not bookable as it was chosen
 */

/**
 * Return the tickets of a tier that are chosen by number.
 * @param {Pick<EventState, "quantities">} state
 * @param {string} tier
 */
export const unseated = ({ quantities }, tier) => (Object.hasOwn(quantities, tier) ? quantities[tier] : 0);

/**
 * Return the picked seats of a tier, in the order of picking.
 * @param {Pick<EventState, "picks" | "layout">} state
 * @param {string} tier
 */
export const picksOf = ({ picks, layout }, tier) => picks.filter((id) => layout.seats.get(id)?.tier === tier);

/**
 * Return the seats of a tier that the visitor has picked on the map, in the order of picking.
 * @param {Pick<EventState, "picks" | "bestPicks" | "layout">} state
 * @param {string} tier
 */
export const ownPicksOf = (state, tier) => picksOf(state, tier).filter((id) => !state.bestPicks.includes(id));

/**
 * Return the tickets of a tier by number that the basket shows: no more than are left beside the picked seats. Tickets
 * that are gone keep their number, so that the visitor sees the loss.
 * @param {Pick<EventState, "quantities" | "picks" | "layout">} state
 * @param {string} tier
 * @param {number} available
 */
export function shownOf(state, tier, available) {
  const left = available - picksOf(state, tier).length;
  return left > 0 ? Math.min(unseated(state, tier), left) : unseated(state, tier);
}

/**
 * Return the number of all wanted tickets. A lost seat counts until the visitor has replaced or removed it.
 * @param {Tickets} state
 */
export const sizeOf = ({ quantities, picks, lost }) =>
  Object.values(quantities).reduce((sum, quantity) => sum + quantity, picks.length + lost.length);

/**
 * Return the wanted tickets of a tier.
 * @param {EventState} state
 * @param {string} tier
 */
export const wantedOf = (state, tier) =>
  unseated(state, tier) + picksOf(state, tier).length + state.lost.filter((seat) => seat.tier === tier).length;

/**
 * Return the number of seats that "Best available" picks: as many as the tickets of the tier without a seat of the
 * visitor's choice, and no more than are left.
 * @param {EventState} state
 * @param {{ name: string, available: number }} tier
 */
export function bestQuantityOf(state, { name, available }) {
  const own = ownPicksOf(state, name).length;
  return Math.max(0, Math.min(wantedOf(state, name), available) - own);
}

/**
 * Return the number of tickets of another tier that take the place of the tickets of a tier.
 * @param {EventState} state
 * @param {string} from
 * @param {string} to
 * @param {Pick<Limits, "tierFewest" | "tierMost"> & { available: number }} limits the limits of the other tier
 */
export function exchangedOf(state, from, to, { available, tierFewest, tierMost }) {
  const most = Math.min(available, tierMost) - picksOf(state, to).length - unseated(state, to);
  return Math.max(0, Math.min(Math.max(tierFewest, wantedOf(state, from)), most));
}

/**
 * Return numbers of tickets with another number for one tier. Tiers without tickets are left out.
 * @param {Record<string, number>} quantities
 * @param {string} tier
 * @param {number} quantity
 * @returns {Record<string, number>}
 */
export function withQuantity(quantities, tier, quantity) {
  return Object.fromEntries(Object.entries({ ...quantities, [tier]: quantity }).filter(([, value]) => value > 0));
}

/**
 * The numbers of tickets that a booking can have: `most` of all tiers; `tierMost` and `tierFewest` of one tier. `isOfBuyer`
 * is true if `most` is the limit of all bookings of a buyer, `isTierOfBuyer` if `tierMost` is.
 * @typedef {{ fewest: number, most: number, isOfBuyer: boolean, tierFewest: number, tierMost: number, isTierOfBuyer: boolean }} Limits
 */

/**
 * Return the limits of a booking for a tier, as the API states them. No booking exceeds the limit of a buyer. A page without
 * an event refuses no choice.
 * @param {Pick<EventState, "event">} state
 * @param {string} name
 * @returns {Limits}
 */
export function limitsOf({ event }, name) {
  const tier = event?.tiers.find((each) => each.name === name);
  const most = mostOf(event);
  const tierMost = Math.min(most, mostOf(tier));
  return {
    fewest: event?.ticketsMin ?? 1,
    most,
    isOfBuyer: event?.ticketsPerBuyer === most,
    tierFewest: tier?.ticketsMin ?? 1,
    tierMost,
    isTierOfBuyer: tier?.ticketsPerBuyer === tierMost,
  };
}

/** @param {Pick<EventDetails, "ticketsMax" | "ticketsPerBuyer"> | null | undefined} rules */
const mostOf = (rules) => (rules ? Math.min(rules.ticketsMax, rules.ticketsPerBuyer ?? Infinity) : Infinity);

/**
 * Fill an empty basket with the fewest tickets of the chosen tier, mostly one, so that a visitor without wishes can book
 * at once.
 * @param {EventState} state
 * @returns {EventState}
 */
export function filled(state) {
  if (state.tier === "" || (sizeOf(state) > 0 && !state.isPreset)) return state;
  const { fewest, tierFewest } = limitsOf(state, state.tier);
  const quantity = Math.max(fewest, tierFewest);
  if (state.isPreset && unseated(state, state.tier) === quantity) return state;
  return { ...state, quantities: { [state.tier]: quantity }, isPreset: true };
}

/**
 * Return the entries of the basket: tickets by number in the order of the tiers, then the seats in the order of picking.
 * @param {EventState} state
 * @param {TierView[]} tiers
 * @returns {Entry[]}
 */
export function entriesOf(state, tiers) {
  const byName = new Map(tiers.map((tier) => [tier.name, tier]));
  const isKnown = state.counts !== null;
  /** @type {(tier: string) => Entry["fault"]} */
  const faultOf = (tier) =>
    !isKnown ? "" : !byName.get(tier)?.known ? "unknown" : byName.get(tier)?.available ? "" : "gone";
  const unknown = Object.keys(state.quantities).filter((name) => !byName.has(name));
  const numbered = [...byName.keys(), ...unknown].flatMap((tier) => {
    const wanted = unseated(state, tier);
    const view = byName.get(tier);
    const quantity = view?.known ? shownOf(state, tier, view.available) : wanted;
    const isGone = view?.known && view.available <= picksOf(state, tier).length;
    const fault = faultOf(tier) || (isGone ? "gone" : quantity < wanted ? "fewer" : "");
    const seats = view?.seated && fault !== "gone" && fault !== "unknown" ? choicesOf(state, tier, quantity) : [];
    return wanted === 0
      ? []
      : [mark(state, { key: `tier ${tier}`, tier, quantity, seat: 0, row: "", number: 0, seats, fault })];
  });
  const seats = state.picks.flatMap((id) => {
    const seat = state.layout.seats.get(id);
    if (!seat) return [];
    const { tier, row, number } = seat;
    return [
      mark(state, { key: `seat ${id}`, tier, quantity: 1, seat: id, row, number, seats: [], fault: faultOf(tier) }),
    ];
  });
  return [...numbered, ...seats];
}

/**
 * Return the wanted tickets that are not available, by tier.
 * @param {EventState} state
 * @param {Entry[]} entries
 */
export function missingOf(state, entries) {
  /** @type {Record<string, number>} */
  let missing = {};
  for (const { tier, quantity, fault } of entries) {
    const lacking = fault === "gone" ? quantity : fault === "fewer" ? unseated(state, tier) - quantity : 0;
    missing = withQuantity(missing, tier, unseated({ quantities: missing }, tier) + lacking);
  }
  return Object.entries(missing).map(([tier, quantity]) => ({ tier, quantity }));
}

/** @param {Pick<Entry, "fault">} entry */
export const isBookable = ({ fault }) => fault !== "gone" && fault !== "unknown";

const isByNumber = (/** @type {Item} */ { ticketIds, isOffered }) => ticketIds.length === 0 || isOffered === true;

/**
 * Mark an entry that the API has refused, unless its fault is known more exactly.
 * @param {Pick<EventState, "refusal">} state
 * @param {Entry} entry
 * @returns {Entry}
 */
function mark({ refusal: { item, over } }, entry) {
  const isMeant = item !== null && !over && item.tier === entry.tier && entry.fault === "";
  const isRefused = isMeant && (entry.seat > 0 ? item.ticketIds.includes(entry.seat) : isByNumber(item));
  return isRefused ? { ...entry, fault: "refused" } : entry;
}

/**
 * Return the items of a booking: one for the tickets of a tier by number, and one for the picked seats of a tier.
 * @param {Entry[]} entries
 * @returns {Item[]}
 */
export function itemsOf(entries) {
  /** @type {Item[]} */
  const items = entries
    .filter(({ seat }) => seat === 0)
    .map(({ tier, quantity, seats: [choice] }) =>
      choice ? { tier, quantity, ticketIds: choice.ticketIds, isOffered: true } : { tier, quantity, ticketIds: [] },
    );
  const seats = entries.filter(({ seat }) => seat > 0);
  for (const tier of new Set(seats.map((each) => each.tier))) {
    const ticketIds = seats.filter((each) => each.tier === tier).map(({ seat }) => seat);
    items.push({ tier, quantity: ticketIds.length, ticketIds });
  }
  return items;
}

/**
 * Return the total of entries in the major unit, exact to the minor unit.
 * @param {Entry[]} entries
 * @param {Record<string, number>} prices by tier, in the major unit
 * @param {number} currencyDigits
 */
export const totalOf = (entries, prices, currencyDigits) =>
  sumOf(
    entries.map(({ tier, quantity }) => [prices[tier] ?? 0, quantity]),
    currencyDigits,
  );
