// The event and the tickets in the page's address. A failed order's page links to `?seats=1,2&tickets=3+VIP` for two seats
// and three tickets without a seat.
import { TICKETS_MAX } from "../basket_storage.js";

const EVENT_PAGE = /^\/event\/([a-z0-9-]+)\/?$/;
const QUANTITY_AND_TIER = /^([1-9]\d{0,5}) (.+)$/;

/**
 * Write tickets as the query of an address.
 * @param {{ seats: number[], quantities: Record<string, number> }} tickets
 */
export function writeTickets({ seats, quantities }) {
  const query = new URLSearchParams(seats.length > 0 ? { seats: seats.join(",") } : {});
  for (const [tier, quantity] of Object.entries(quantities)) query.append("tickets", `${quantity} ${tier}`);
  return query.toString();
}

/**
 * Return the slug in the path of an event's page; "" for another page.
 * @param {string} pathname
 */
export const readSlug = (pathname) => EVENT_PAGE.exec(pathname)?.[1] ?? "";

/**
 * Read the tickets in an address's query; null without any. Seats beyond `TICKETS_MAX` are left out, then tickets.
 * @param {string} search
 * @returns {{ picks: number[], quantities: Record<string, number> } | null}
 */
export function readTickets(search) {
  const query = new URLSearchParams(search);
  const ids = new Set((query.get("seats") ?? "").split(",").map(Number));
  const picks = [...ids].filter((id) => Number.isSafeInteger(id) && id > 0).slice(0, TICKETS_MAX);
  /** @type {Map<string, number>} */
  const quantities = new Map();
  let left = TICKETS_MAX - picks.length;
  for (const [, quantity, tier] of query.getAll("tickets").flatMap((text) => [QUANTITY_AND_TIER.exec(text) ?? []])) {
    const wanted = Math.min(Number(quantity), left);
    if (tier === undefined || wanted === 0) continue;
    quantities.set(tier, (quantities.get(tier) ?? 0) + wanted);
    left -= wanted;
  }
  return picks.length + quantities.size > 0 ? { picks, quantities: Object.fromEntries(quantities) } : null;
}

/** Remove the tickets from the address: on the next visit they may be booked already. */
export function removeTickets() {
  const query = new URLSearchParams(window.location.search);
  if (query.has("seats") || query.has("tickets"))
    window.history.replaceState(window.history.state, "", window.location.pathname);
}
