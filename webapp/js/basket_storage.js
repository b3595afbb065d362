// The basket of an event in the tab's storage: it survives a reload, the way back and other pages, until it is booked.
import { tabArea } from "./remembered.js";

/** The most tickets of a basket from the storage or an address, as in the API's `order_rules.py`. An event allows fewer. */
export const TICKETS_MAX = 1000;

/**
 * A basket as the storage has it.
 * @typedef {object} StoredBasket
 * @property {string} tier the tier that the visitor has changed last
 * @property {Record<string, number>} quantities tickets without chosen seats, by tier
 * @property {number[]} picks ids of the picked seats, also of lost ones, so that their loss is shown again
 * @property {number[]} bestPicks ids of the picks that "Best available" has chosen
 */

/** @param {string} event */
const keyOf = (event) => `basket:${event}`;

const isNumber = (/** @type {unknown} */ value) => Number.isSafeInteger(value) && Number(value) > 0;

/**
 * Store the basket of an event.
 * @param {string} event its slug
 * @param {StoredBasket} basket
 */
export const keepBasket = (event, { tier, quantities, picks, bestPicks }) =>
  tabArea.set(keyOf(event), JSON.stringify({ tier, quantities, picks, bestPicks }));

/**
 * Delete the stored basket of an event: it is booked or empty.
 * @param {string} event its slug
 */
export const forgetBasket = (event) => tabArea.remove(keyOf(event));

/**
 * Read the stored basket of an event; null without one, or if the text is anything else.
 * @param {string} event its slug
 * @returns {StoredBasket | null}
 */
export function recallBasket(event) {
  try {
    const { tier, quantities, picks, bestPicks = [] } = JSON.parse(tabArea.get(keyOf(event)) ?? "");
    const numbers = Object.values(quantities);
    const isText = typeof tier === "string";
    const valid = isText && Array.isArray(picks) && [...numbers, ...picks, ...bestPicks].every(isNumber);
    const size = valid ? numbers.reduce((sum, quantity) => sum + quantity, picks.length) : 0;
    return size > 0 && size <= TICKETS_MAX
      ? { tier, quantities: { ...quantities }, picks, bestPicks: [...bestPicks] }
      : null;
  } catch {
    return null;
  }
}
