// Derivation of the tiers from counts, holds and the last refusal. Pure functions.
import { secondsUntil } from "../clock.js";
import { isCountOf } from "./revisions.js";

/** @import { Tier } from "../schemas.js" */
/** @import { EventState } from "./state.js" */

// A tier is low below this share of its tickets.
const LOW_SHARE = 0.1;

/**
 * A tier as the page shows it; `known` is false while its counts are unknown, `percent` is the available share, `back_in`
 * the seconds until tickets may be available (0: unknown).
 * @typedef {Tier & { known: boolean, available: number, percent: number, sold_out: boolean, all_held: boolean, back_in: number, low: boolean }} TierView
 */

/**
 * Return true while a refusal applies to a tier. Snapshots older than the refusal do not end it.
 * @param {Pick<EventState, "refusal" | "countsAsOf" | "eventAsOf">} state
 * @param {string} name
 */
export const isRefused = ({ refusal, countsAsOf, eventAsOf }, name) =>
  refusal.tier === name && [countsAsOf, eventAsOf].some((asOf) => Date.parse(asOf) < refusal.at);

/**
 * @param {EventState} state
 * @param {Tier} tier
 * @param {number} serverNow in milliseconds
 * @param {number} checkoutWait seconds until the checkout permits another attempt
 * @returns {TierView}
 */
export function deriveTier(state, tier, serverNow, checkoutWait) {
  const { name, price, total } = tier;
  const counts = state.counts?.[name];
  const known = isCountOf({ price }, counts);
  const counted = known ? counts.available : 0;
  const refused = isRefused(state, name);
  const available = refused ? Math.min(counted, state.refusal.left) : counted;
  const empty = known && available <= 0;
  const { held = 0, heldUntil = null } = state.holds[name] ?? {};
  // The seat states distinguish held from sold, as soon as they are as new as the counts. Until then the refusal does.
  const holdsKnown = empty && !refused && state.statesAsOf !== "" && state.statesAsOf >= (state.emptySince[name] ?? "");
  const refusedAs = refused && empty ? state.refusal.phase : "";
  return {
    ...tier,
    known,
    available,
    percent: Math.max(0, Math.min(100, (available / total) * 100)),
    sold_out: refusedAs === "sold_out" || (holdsKnown && held === 0),
    all_held: refusedAs === "all_held" || (holdsKnown && held > 0),
    back_in: refusedAs === "all_held" ? checkoutWait : holdsKnown && heldUntil ? secondsUntil(heldUntil, serverNow) : 0,
    low: available > 0 && available < total && available <= Math.max(total * LOW_SHARE, 1),
  };
}

/**
 * Return the available tier that is nearest in price to the chosen one, the cheaper of two.
 * @template {TierView} Tier
 * @param {Tier[]} tiers
 * @param {Tier | undefined} chosen
 * @returns {Tier | undefined}
 */
export function alternativeTo(tiers, chosen) {
  /** @param {TierView} tier */
  const difference = (tier) => Math.abs(tier.price - (chosen?.price ?? 0));
  return tiers
    .filter((tier) => tier.available > 0 && tier.name !== chosen?.name)
    .sort((a, b) => difference(a) - difference(b) || a.price - b.price)[0];
}

/**
 * Return true if snapshots that are newer than the last refusal contradict it.
 * @param {EventState} state
 * @param {TierView[]} tiers
 * @param {string} sale
 */
export function isRefusalOver(state, tiers, sale) {
  const { phase, tier: name, left, at } = state.refusal;
  if (phase === "not_on_sale") return Date.parse(state.eventAsOf) >= at && sale === "on_sale";
  const tier = tiers.find((each) => each.name === name);
  if (!tier || isRefused(state, name)) return false;
  // Held tickets may be sold by now. Sold tickets may be held again after a cancellation.
  const hasTurned = phase === "all_held" ? tier.sold_out : tier.all_held;
  return tier.available !== left || (hasTurned && Date.parse(state.statesAsOf) >= at);
}
