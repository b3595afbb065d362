// Derivation of everything that an event's page shows. Pure functions.
import { secondsUntil } from "../clock.js";
import { saleOf } from "../event_rules.js";
import { sumOf } from "../money.js";
import { bestQuantityOf, exchangedOf, limitsOf, picksOf, wantedOf } from "./basket.js";
import { deriveBasket, deriveLimits, withStepper } from "./basket_view.js";
import { nearestSeats } from "./seating.js";
import { isOpen } from "./state.js";
import { alternativeTo, deriveTier } from "./tiers.js";
import { deriveZoom } from "./zoom.js";

/** @import { EventDetails } from "../schemas.js" */
/** @import { SteppedTier } from "./basket_view.js" */
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
 * @property {{ locked: boolean, wait: number }} checkout `locked`: it accepts no purchase now. `wait`: seconds
 *   until it does
 * @property {(id: number) => boolean} isOwn returns true for a ticket of an order of this browser
 */

/** @typedef {ReturnType<typeof deriveView>} EventView */

/** @param {Seat} seat */
const nameOf = ({ id, tier, row, number }) => ({ id, tier, row, number });

/**
 * Return the tier that the visitor has changed last, or another tier of the basket after its tickets were removed.
 * @param {EventState} state
 * @param {{ tier: string }[]} entries
 */
const changedTier = (state, [entry]) => (wantedOf(state, state.tier) > 0 ? state.tier : (entry?.tier ?? state.tier));

/**
 * Return the free seats that are nearest to the first lost seat, or to a pick of its tier.
 * @param {EventState} state
 */
function offersNearLost(state) {
  const [lost] = state.lost;
  if (!lost) return [];
  const pick = state.layout.seats.get(picksOf(state, lost.tier).at(-1) ?? lost.id);
  return nearestSeats(state.layout, pick ?? lost, (id) => isOpen(state, id), OFFERED_SEATS);
}

/**
 * Return the tier and number of the best seats that can be picked: of the tier that was changed last, else of the first
 * tier that needs seats.
 * @param {EventState} state
 * @param {SteppedTier[]} tiers
 * @param {SteppedTier | undefined} chosen
 */
function bestOf(state, tiers, chosen) {
  const [best] = [...(chosen ? [chosen] : []), ...tiers]
    .filter(({ seated }) => seated)
    .map((tier) => ({ best_tier: tier.name, best_quantity: bestQuantityOf(state, tier) }))
    .filter(({ best_quantity }) => best_quantity > 0);
  return best ?? { best_tier: "", best_quantity: 0 };
}

/**
 * @param {EventState} state
 * @param {Surroundings} surroundings
 */
export function deriveView(state, { now, serverNow, checkout, isOwn }) {
  const event = state.event ?? NO_EVENT;
  const known = state.counts !== null;
  const hasMap = state.layout.rows.length > 0;
  // The counts beside a seat map are only as fresh as its seats.
  const age = now - (hasMap ? Math.min(state.countsFreshAt, state.statesFreshAt) : state.countsFreshAt);
  const stale = known && age > STALE_AFTER_MS;
  const phase = !known ? (state.failed ? "unreachable" : "loading") : stale ? "stale" : "live";
  const sale = state.event ? saleOf(event, serverNow) : "";

  const tiers = event.tiers.map((tier) => withStepper(state, deriveTier(state, tier, serverNow, checkout.wait)));
  const { short, isUndecided, missingOffers, fields } = deriveBasket(state, tiers, { ...event, now, isOwn });
  const chosen = tiers.find((tier) => tier.name === changedTier(state, fields.entries));
  const limits = deriveLimits(state, tiers, chosen, fields.quantity);
  // A tier that has too few tickets concerns the visitor more than the one that was changed last.
  const missing = short === undefined ? chosen : tiers.find((tier) => tier.name === short);
  const exchanged = (/** @type {SteppedTier} */ { name, available }) =>
    exchangedOf(state, missing?.name ?? "", name, { ...limitsOf(state, name), available });
  const alternative = alternativeTo(
    tiers.filter((tier) => exchanged(tier) > 0),
    missing,
  );
  const nextBest = alternative ? exchanged(alternative) : 0;
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
    next_best_quantity: nextBest,
    next_best_total: sumOf([[alternative?.price ?? 0, nextBest]], event.currencyDigits),
    tier: missing?.name ?? short ?? "",
    tier_known: Boolean(missing?.known),
    tier_sold_out: Boolean(missing?.sold_out),
    back_in: missing?.back_in ?? 0,
    changed_tier: chosen?.name ?? "",
    seated: Boolean(chosen?.seated),
    ...bestOf(state, tiers, chosen),
    refusal_over: state.refusal.over,
    ...fields,
    ...limits,
    searches: phase === "live" && sale === "on_sale" ? missingOffers : [],
    lost: state.lost.map((seat) => ({ ...nameOf(seat), own: isOwn(seat.id) })),
    lost_to_others: state.lost.some(({ id }) => !isOwn(id)),
    offers: offersNearLost(state).map(nameOf),
    may_have_map: state.statesAsOf === "" || hasMap,
    map_away: state.statesAsOf === "" && state.statesFailed && Boolean(chosen?.seated),
    has_map: hasMap,
    layout: state.layout,
    sections: state.layout.sections.map((section) => ({
      ...section,
      price: fields.prices[section.name] ?? 0,
    })),
    list: state.list,
    ...deriveZoom(state),
    locked:
      checkout.locked ||
      sale !== "on_sale" ||
      phase !== "live" ||
      !fields.bookable ||
      isUndecided ||
      limits.too_few ||
      limits.short_tier !== "" ||
      limits.surplus > 0 ||
      limits.over_tier !== "",
    announcement: state.announcement,
  };
}
