// The orders of guests that the account has claimed. The pages of its list show only some of its orders.

import { assignSecrets, guestReferences } from "../secrets.js";
import { signedInAs } from "./address.js";
import { sendAsAccount } from "./session.js";

/** @import { OrderPage } from "../schemas.js" */
/** @import { SessionOutcome } from "./session.js" */

/** Orders in a response: the most that the API lists. */
const PAGE_SIZE = 100;

/**
 * Assign the orders of guests in this browser to the account, if it has claimed them.
 * @returns {Promise<SessionOutcome>} `done` also after the end of the session, whose orders nobody can read
 */
export async function assignClaimed() {
  const owner = signedInAs();
  /** @type {string | null} */
  let cursor = "";
  while (owner !== "" && cursor !== null && guestReferences().length > 0) {
    const { outcome, status, page } = await readPage(cursor);
    if (status === 401) return "done";
    if (page === null) return outcome;
    assignSecrets(
      owner,
      page.orders.map(({ reference }) => reference),
    );
    cursor = page.next;
  }
  return "done";
}

/**
 * @param {string} cursor "" for the first page
 * @returns {Promise<{ outcome: SessionOutcome, status: number, page: OrderPage | null }>}
 */
async function readPage(cursor) {
  const query = new URLSearchParams({ limit: String(PAGE_SIZE), ...(cursor ? { cursor } : {}) });
  const { outcome, status, response } = await sendAsAccount(`/api/me/orders?${query}`, {});
  if (response === null) return { outcome, status, page: null };
  try {
    return { outcome, status, page: /** @type {OrderPage} */ (await response.json()) };
  } catch {
    return { outcome: "failed", status, page: null };
  }
}
