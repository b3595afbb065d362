// The best free seats that the API offers for tickets by number. The page shows them and books exactly these. Pure functions.
/** @import { BestSeats, SeatChoice } from "../schemas.js" */
/** @import { EventState } from "./state.js" */

/**
 * The offer for the tickets by number of one tier.
 * @typedef {object} Offer
 * @property {number} quantity number of seats of each choice
 * @property {SeatChoice[]} choices the shown seats, then the alternatives
 * @property {number} at time of the offer by the server's clock, in milliseconds; older seat states do not contradict it
 * @property {number[]} taken seats of the last shown choice that are taken; the next choice takes its place
 * @property {boolean} isOpen true if the visitor lets the API choose the seats when it books
 * @property {number} changedAt browser time of that loss, in milliseconds; 0: none
 */

/** A purchase needs this time after a change of the shown seats, in milliseconds, so that a second click books nothing unseen. */
export const READING_MS = 1_000;

/** @type {Offer} */
const NO_OFFER = { quantity: 0, choices: [], at: 0, taken: [], isOpen: false, changedAt: 0 };

/**
 * Return the offer for a tier.
 * @param {Pick<EventState, "offers">} state
 * @param {string} tier
 * @returns {Offer}
 */
const offerOf = ({ offers }, tier) => (Object.hasOwn(offers, tier) ? offers[tier] : NO_OFFER);

/**
 * Return the seats that the page shows for tickets by number, and the alternatives.
 * Picked seats are not offered again.
 * @param {Pick<EventState, "offers" | "picks">} state
 * @param {string} tier
 * @param {number} quantity
 */
export function choicesOf(state, tier, quantity) {
  const offer = offerOf(state, tier);
  const isPicked = (/** @type {number} */ id) => state.picks.includes(id);
  return offer.quantity === quantity && !offer.isOpen
    ? offer.choices.filter(({ ticketIds }) => !ticketIds.some(isPicked))
    : [];
}

/**
 * Return the offers after a response of the API.
 * @param {EventState} state
 * @param {string} tier
 * @param {{ quantity: number, choices: SeatChoice[] }} found
 * @param {{ now: number, serverNow: number }} times in milliseconds
 * @returns {Record<string, Offer>}
 */
export function withOffer(state, tier, { quantity, choices }, { now, serverNow }) {
  const last = offerOf(state, tier);
  const taken = last.quantity === quantity ? last.taken : [];
  return {
    ...state.offers,
    [tier]: { quantity, choices, at: serverNow, taken, isOpen: false, changedAt: taken.length > 0 ? now : 0 },
  };
}

/**
 * Return the offers after the visitor has chosen an alternative.
 * @param {EventState} state
 * @param {string} tier
 * @param {number} ticketId first seat of the alternative
 * @returns {Record<string, Offer>}
 */
export function withChoice(state, tier, ticketId) {
  const offer = offerOf(state, tier);
  const isChosen = (/** @type {SeatChoice} */ { ticketIds }) => ticketIds[0] === ticketId;
  const choices = [...offer.choices.filter(isChosen), ...offer.choices.filter((choice) => !isChosen(choice))];
  return { ...state.offers, [tier]: { ...offer, choices, taken: [] } };
}

/**
 * Return the offers after the visitor has let the API choose the seats of a tier.
 * @param {EventState} state
 * @param {string} tier
 * @returns {Record<string, Offer>}
 */
export const withOpenChoice = (state, tier) => ({
  ...state.offers,
  [tier]: { ...offerOf(state, tier), isOpen: true },
});

/**
 * Return the offers without the choices that have taken seats. The next choice takes the place of the shown one.
 * @param {Pick<EventState, "offers">} state
 * @param {(id: number, at: number) => boolean} isTaken receives a ticket and the time of its offer
 * @param {number} now the browser's time, in milliseconds
 * @returns {Record<string, Offer>}
 */
export const withoutTaken = ({ offers }, isTaken, now) =>
  Object.fromEntries(
    Object.entries(offers).map(([tier, offer]) => {
      const choices = offer.choices.filter(({ ticketIds }) => !ticketIds.some((id) => isTaken(id, offer.at)));
      const taken = offer.choices[0]?.ticketIds.filter((id) => isTaken(id, offer.at)) ?? [];
      if (taken.length > 0) return [tier, { ...offer, choices, taken, changedAt: now }];
      return [tier, choices.length === offer.choices.length ? offer : { ...offer, choices }];
    }),
  );

/**
 * Return the searches that the basket needs: for tickets by number of tiers with seats that have no offer.
 * @param {EventState} state
 * @param {{ tier: string, quantity: number }[]} wanted
 */
export const missingOffers = (state, wanted) =>
  wanted
    .filter(({ tier, quantity }) => {
      const offer = offerOf(state, tier);
      return offer.quantity !== quantity || (offer.choices.length === 0 && !offer.isOpen);
    })
    .map(({ tier, quantity }) => ({ tier, quantity }));

/**
 * Return the taken seats of the choice that the page has shown for tickets by number; none if it needs no other choice.
 * @param {EventState} state
 * @param {{ tier: string, quantity: number }} wanted
 */
export function takenOf(state, { tier, quantity }) {
  const { taken, isOpen, ...offer } = offerOf(state, tier);
  return !isOpen && offer.quantity === quantity ? taken : [];
}

/**
 * Return whether the visitor has not seen the seats that would be booked: the shown ones were taken just now.
 * @param {EventState} state
 * @param {{ tier: string, quantity: number }[]} wanted
 * @param {number} now the browser's time, in milliseconds
 */
export const isUnseen = (state, wanted, now) =>
  wanted.some((tickets) => {
    const { choices, changedAt } = offerOf(state, tickets.tier);
    return takenOf(state, tickets).length > 0 && (choices.length === 0 || now - changedAt < READING_MS);
  });

/**
 * Describe a choice by its rows. The numbers of seats are texts, as on the chairs.
 * @param {SeatChoice} choice
 */
export function describeChoice({ ticketIds, rows, numbers, zone, together }) {
  const names = [...new Set(rows)];
  return {
    first: ticketIds[0],
    zone: zone ?? "",
    together,
    single: ticketIds.length === 1,
    rows: names.map((row) => {
      const seats = numbers.filter((_, index) => rows[index] === row);
      const isRange = together && seats.length > 1;
      const text = isRange ? `${Math.min(...seats)}–${Math.max(...seats)}` : seats.join(", ");
      return { row, seats: seats.length, numbers: text };
    }),
  };
}
