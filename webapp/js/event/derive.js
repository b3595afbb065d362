// Derivation of everything that an event's page shows. Pure functions.
import { secondsUntil } from "../clock.js";
import { saleOf } from "../event_rules.js";
import { multiply } from "../money.js";
import { nearestSeats } from "./seating.js";
import { isOpen } from "./state.js";
import { alternativeTo, deriveTier } from "./tiers.js";
import { deriveZoom } from "./zoom.js";

/** @import { EventDetails } from "../schemas.js" */
/** @import { Seat } from "./seating.js" */
/** @import { EventState } from "./state.js" */

const STALE_AFTER_MS = 10_000;
const OFFERED_SEATS = 3;

/** @type {EventDetails} */
const NO_EVENT = {
  slug: "",
  name: "",
  venue: "",
  address: null,
  description: "",
  doorsAt: null,
  startsAt: "",
  endsAt: null,
  timeZone: "UTC",
  salesStartAt: "",
  salesEndAt: null,
  currency: "",
  currencyDigits: 0,
  revision: 0,
  state: "upcoming",
  priceFrom: 0,
  ticketsMin: 1,
  ticketsMax: 1,
  ticketsPerBuyer: null,
  holdSeconds: 0,
  tiers: [],
};

/**
 * The inputs of the page besides its state.
 * @typedef {object} Surroundings
 * @property {number} now the browser's time, in milliseconds
 * @property {number} serverNow the server's time, in milliseconds
 * @property {number} ticketsMax limit of tickets for each booking
 * @property {{ locked: boolean, wait: number }} checkout `locked`: it accepts no purchase now. `wait`: seconds
 *   until it does
 */

/** @typedef {ReturnType<typeof deriveView>} EventView */

/** @param {Seat} seat */
const nameOf = ({ id, tier, row, number }) => ({ id, tier, row, number });

/**
 * @param {EventState} state
 * @param {Surroundings} surroundings
 */
export function deriveView(state, { now, serverNow, ticketsMax, checkout }) {
  const event = state.event ?? NO_EVENT;
  const known = state.counts !== null;
  const hasMap = state.layout.rows.length > 0;
  // The counts beside a seat map are only as fresh as its seats.
  const age = now - (hasMap ? Math.min(state.countsFreshAt, state.statesFreshAt) : state.countsFreshAt);
  const stale = known && age > STALE_AFTER_MS;
  const phase = !known ? (state.failed ? "unreachable" : "loading") : stale ? "stale" : "live";
  const sale = state.event ? saleOf(event, serverNow) : "";

  const tiers = event.tiers.map((tier) => deriveTier(state, tier, serverNow, checkout.wait));
  const chosen = tiers.find((tier) => tier.name === state.tier);
  const alternative = alternativeTo(tiers, chosen);
  const bookable = chosen !== undefined && chosen.available > 0;
  const limit = Math.max(1, Math.min(ticketsMax, chosen?.known ? chosen.available : ticketsMax));
  const quantity = state.picks.length || Math.min(state.quantity, limit);

  const picks = state.picks.flatMap((id) => state.layout.seats.get(id) ?? []);
  const offers = state.lost.length
    ? nearestSeats(state.layout, picks.at(-1) ?? state.lost[0], (id) => isOpen(state, id), OFFERED_SEATS)
    : [];
  return {
    page: state.event ? "found" : state.missing ? "missing" : state.failed ? "away" : "loading",
    event,
    sale,
    opens_in: sale === "upcoming" ? secondsUntil(event.salesStartAt, serverNow) : 0,
    phase,
    age: stale ? Math.round(age / 1000) : 0,
    tiers,
    sold_out: known && tiers.length > 0 && tiers.every((tier) => tier.sold_out),
    next_best: alternative?.name ?? "",
    next_best_price: alternative?.price ?? 0,
    tier: chosen?.name ?? "",
    seated: Boolean(chosen?.seated),
    bookable,
    price: chosen?.price ?? 0,
    tier_known: Boolean(chosen?.known),
    tier_sold_out: Boolean(chosen?.sold_out),
    back_in: chosen?.back_in ?? 0,
    refusal_over: state.refusal.over,
    quantity,
    fewest: quantity <= 1,
    most: quantity >= limit,
    limit,
    scarce: limit < ticketsMax,
    total: bookable ? multiply(chosen.price, quantity, event.currencyDigits) : 0,
    picks: picks.map(nameOf),
    lost: state.lost.map(nameOf),
    reminder: { reason: state.reminder.reason, tier: state.reminder.tier, quantity: state.reminder.picks.length },
    offers: offers.map(nameOf),
    may_have_map: state.statesAsOf === "" || hasMap,
    map_away: state.statesAsOf === "" && state.statesFailed && Boolean(chosen?.seated),
    has_map: hasMap,
    layout: state.layout,
    sections: state.layout.sections.map((section) => ({
      ...section,
      price: tiers.find((tier) => tier.name === section.name)?.price ?? 0,
    })),
    prices: Object.fromEntries(tiers.map((tier) => [tier.name, tier.price])),
    list: state.list,
    ...deriveZoom(state),
    locked:
      checkout.locked ||
      sale !== "on_sale" ||
      phase !== "live" ||
      !bookable ||
      // After a loss the buyer first decides on another seat or on fewer seats.
      state.lost.length > 0 ||
      picks.length < state.picks.length,
    announcement: state.announcement,
  };
}
