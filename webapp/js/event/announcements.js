// Announcements of the chosen tier's availability for screen readers. Pure functions.

/** @import { EventState } from "./state.js" */
/** @import { TierView } from "./tiers.js" */

// Counts change every two seconds; a screen reader that reads all of them is of no use.
const INTERVAL_MS = 15_000;

/** @param {TierView} tier */
const codeOf = (tier) => (tier.sold_out ? "sold_out" : tier.all_held ? "all_held" : tier.available > 0 ? "left" : "");

/**
 * Return the next announcement, or null for none. The end of a tier is announced at once, counts now and then.
 * @param {EventState} state
 * @param {{ phase: string, tiers: TierView[] }} view
 * @param {number} now the browser's time, in milliseconds
 * @returns {Pick<EventState, "announcement" | "announcedAt"> | null}
 */
export function announce(state, { phase, tiers }, now) {
  const tier = tiers.find((each) => each.name === state.tier);
  if (!tier || phase !== "live") return null;
  const announcement = { code: codeOf(tier), tier: tier.name, left: tier.available };
  const last = state.announcement;
  const isEqual = announcement.code === last.code && announcement.tier === last.tier && announcement.left === last.left;
  if (announcement.code === "" || isEqual) return null;
  if (announcement.code === "left" && now - state.announcedAt < INTERVAL_MS) return null;
  return { announcement, announcedAt: now };
}
