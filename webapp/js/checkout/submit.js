// Sends one purchase under its key until the outcome is known or patience ends.

import { UNREACHABLE } from "../booking_api.js";
import { startPeriod } from "../deadline.js";

/** @typedef {import("../booking_api.js").Outcome} Outcome */
/** @typedef {import("./purchase.js").Purchase} Purchase */

/**
 * @typedef {object} Dependencies
 * @property {(purchase: Purchase) => Promise<Outcome>} book
 * @property {(reference: string) => Promise<Outcome>} find
 * @property {(detail: "busy" | "retrying" | "offline", attempt: number) => void} report Receives the number of the next
 *   try.
 * @property {Pick<typeof import("../network.js"), "isOnline" | "untilOnline" | "sleep">} network
 */

export const TRIES = 5;
/** After a longer `Retry-After` the buyer decides when to try again. */
const WAIT_MS_MAX = 10_000;
const GIVE_UP_AFTER_MS = 40_000;
/** A browser may report itself as offline although the API is in reach. */
const OFFLINE_RETRY_MS = 5_000;
/** A purchase is not sent by itself after a longer time without a network. */
const OFFLINE_MS_MAX = 10 * 60_000;
/** The API sends these responses before it reads the key. They do not show the outcome of an earlier request. */
const BEFORE_THE_KEY = ["busy", "rate_limited"];

/**
 * Send a purchase, repeat it where that can help, and return the last outcome.
 *
 * After a lost connection the function first looks the order up by its reference. It does not send an existing order
 * again. After a lost response, "busy" does not prove that nothing was booked, and becomes `unreachable`. While the
 * browser is offline the purchase waits, and the count of tries restarts when the network is back.
 * @param {Purchase} purchase
 * @param {Dependencies} dependencies
 * @returns {Promise<Outcome>}
 */
export async function submit(purchase, { book, find, report, network }) {
  let { inDoubt } = purchase;
  let isLate = startPeriod(GIVE_UP_AFTER_MS);
  const isOfflineTooLong = startPeriod(OFFLINE_MS_MAX);
  for (let attempt = 1; ; attempt += 1) {
    const outcome = await book(purchase);
    if (outcome.order) return outcome;
    if (outcome.problem.kind === "key_reused") {
      const found = await find(purchase.reference);
      return found.order ? found : UNREACHABLE;
    }
    inDoubt ||= outcome.problem.kind === "unreachable";
    const problem = inDoubt && BEFORE_THE_KEY.includes(outcome.problem.kind) ? UNREACHABLE.problem : outcome.problem;
    while (problem.kind === "unreachable" && !network.isOnline()) {
      if (isOfflineTooLong()) return { problem };
      report("offline", attempt);
      await network.untilOnline(OFFLINE_RETRY_MS);
      const found = await find(purchase.reference);
      if (found.order) return found;
      attempt = 0;
      isLate = startPeriod(GIVE_UP_AFTER_MS);
      if (found.problem.kind !== "unreachable") break;
    }
    if (attempt === 0) continue;
    const helps = problem.kind === "busy" || problem.kind === "unreachable";
    if (!helps || attempt === TRIES || isLate()) return { problem };
    report(problem.kind === "busy" ? "busy" : "retrying", attempt + 1);
    if (problem.kind === "busy") {
      await network.sleep(Math.min(Math.max(problem.retryAfterS, 1) * 1000, WAIT_MS_MAX));
      continue;
    }
    await network.sleep(attempt * 1000);
    const found = await find(purchase.reference);
    if (found.order) return found;
  }
}
