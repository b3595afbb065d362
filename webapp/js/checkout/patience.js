// Texts for a buyer who waits.
import { UNREACHABLE } from "../booking_api.js";

/** @typedef {import("../booking_api.js").Outcome} Outcome */

const EXPLAIN_AFTER_MS = 2_000;
const OFFER_CHECK_AFTER_MS = 10_000;

/**
 * Wait for an outcome, and say more the longer it takes. A fault of this app's own leaves the outcome unknown.
 * @param {Promise<Outcome>} outcome
 * @param {(patience: "explain" | "check") => void} say
 * @param {boolean} offersCheck True if a check of the purchase can help.
 * @returns {Promise<Outcome>}
 */
export async function waitPatiently(outcome, say, offersCheck) {
  const timers = [setTimeout(say, EXPLAIN_AFTER_MS, "explain")];
  if (offersCheck) timers.push(setTimeout(say, OFFER_CHECK_AFTER_MS, "check"));
  try {
    return await outcome;
  } catch (error) {
    console.error(error);
    return UNREACHABLE;
  } finally {
    timers.forEach(clearTimeout);
  }
}
