// The additional texts while a purchase takes long.
import { UNREACHABLE } from "../booking_api.js";

/** @typedef {import("../booking_api.js").Outcome} Outcome */

const EXPLAIN_AFTER_MS = 2_000;
const OFFER_CHECK_AFTER_MS = 10_000;

/**
 * Wait for an outcome, and show an additional text at two points in time. An exception leaves the outcome unknown.
 * @param {Promise<Outcome>} outcome
 * @param {(patience: "explain" | "check") => void} show
 * @param {boolean} offersCheck True if a check of the purchase can help.
 * @returns {Promise<Outcome>}
 */
export async function waitPatiently(outcome, show, offersCheck) {
  const timers = [setTimeout(show, EXPLAIN_AFTER_MS, "explain")];
  if (offersCheck) timers.push(setTimeout(show, OFFER_CHECK_AFTER_MS, "check"));
  try {
    return await outcome;
  } catch (error) {
    console.error(error);
    return UNREACHABLE;
  } finally {
    timers.forEach(clearTimeout);
  }
}
