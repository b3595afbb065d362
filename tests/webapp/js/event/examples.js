// States of an event's page for tests.
import { filled } from "../../../../webapp/js/event/basket.js";
import { layOut } from "../../../../webapp/js/event/seating.js";
import { INITIAL_STATE } from "../../../../webapp/js/event/state.js";

/** @import { EventState } from "../../../../webapp/js/event/state.js" */
/** @import { EventDetails, SeatRow } from "../../../../webapp/js/schemas.js" */

export const NOW = Date.parse("2027-06-01T12:00:00Z");

/**
 * Return a time some seconds after NOW, as the API writes times.
 * @param {number} seconds
 */
export const at = (seconds) => new Date(NOW + seconds * 1000).toISOString();

const RULES = { ticketsMin: 1, ticketsMax: 10, ticketsPerBuyer: null, holdSeconds: 300 };

/** @type {EventDetails} */
export const EVENT = {
  slug: "aurora-sessions",
  name: "Aurora Sessions",
  venue: "Harbour Hall",
  description: "",
  startsAt: at(100_000),
  address: null,
  doorsAt: null,
  endsAt: null,
  timeZone: "UTC",
  salesStartAt: at(-100_000),
  salesEndAt: null,
  currency: "USD",
  currencyDigits: 2,
  revision: 1,
  state: "on_sale",
  priceFrom: 10,
  ...RULES,
  tiers: [
    { name: "VIP", price: 100, total: 6, seated: true, ...RULES },
    { name: "Front Row", price: 50, total: 6, seated: true, ...RULES },
    { name: "GA", price: 10, total: 100, seated: false, ...RULES },
  ],
};

/**
 * Return the event with another limit of tickets, as the API states it for the event and each tier.
 * @param {number} ticketsMax
 */
export const limited = (ticketsMax) => ({
  ...EVENT,
  ticketsMax,
  tiers: EVENT.tiers.map((tier) => ({ ...tier, ticketsMax })),
});

/**
 * Return two rows of VIP seats (tickets 1 to 6) and one of Front Row seats (7 to 12).
 * @param {string} [states] a letter for each seat
 * @returns {SeatRow[]}
 */
export const rows = (states = "a".repeat(12)) => [
  { tier: "VIP", row: "A", ids: [1, 2, 3], numbers: [1, 2, 3], states: states.slice(0, 3) },
  { tier: "VIP", row: "B", ids: [4, 5, 6], numbers: [1, 2, 3], states: states.slice(3, 6) },
  { tier: "Front Row", row: "C", ids: [7, 8, 9, 10, 11, 12], numbers: [1, 2, 3, 4, 5, 6], states: states.slice(6) },
];

/**
 * Return the counts of all tiers.
 * @param {number} vip
 * @param {number} frontRow
 * @param {number} ga
 */
export const counts = (vip, frontRow, ga) => ({
  VIP: { available: vip, total: 6, price: 100 },
  "Front Row": { available: frontRow, total: 6, price: 50 },
  GA: { available: ga, total: 100, price: 10 },
});

/**
 * Return the state of a page that has read everything just now, with all tickets available, and one ticket in the basket.
 * @param {Partial<EventState>} [changes]
 * @returns {EventState}
 */
export const loaded = (changes = {}) =>
  filled({
    ...INITIAL_STATE,
    event: EVENT,
    eventAsOf: at(0),
    counts: counts(6, 6, 100),
    countsAsOf: at(0),
    countsFreshAt: NOW,
    holds: {},
    layout: layOut(rows()),
    seatStates: new Map(Array.from({ length: 12 }, (_, index) => [index + 1, "a"])),
    statesAsOf: at(0),
    statesFreshAt: NOW,
    tier: "VIP",
    ...changes,
  });

/**
 * Return a state's seats by their ids.
 * @param {EventState} state
 * @param {number[]} ids
 */
export const seats = (state, ...ids) => ids.flatMap((id) => state.layout.seats.get(id) ?? []);

/**
 * Return the states of the seats with some of them changed.
 * @param {Record<number, string>} changed
 */
export const seatStates = (changed) =>
  new Map(Array.from({ length: 12 }, (_, index) => [index + 1, changed[index + 1] ?? "a"]));

/**
 * Return seats of one row that the API offers.
 * @param {number[]} ticketIds
 * @returns {import("../../../../webapp/js/schemas.js").SeatChoice}
 */
export const choice = (...ticketIds) => ({
  ticketIds,
  rows: ticketIds.map(() => "A"),
  numbers: ticketIds,
  row: "A",
  zone: "centre",
  together: true,
  reason: "",
  total: 100 * ticketIds.length,
  currency: "USD",
});
