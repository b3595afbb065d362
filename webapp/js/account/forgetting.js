// The data of an account that leaves this browser, which the next person may use.

import { forgetPurchases } from "../checkout/storage.js";
import { forgetOrders } from "../offline/kept_orders.js";
import { forgetTickets } from "../own_tickets.js";
import { sharedArea, tabArea } from "../remembered.js";
import { forgetSecrets, secretOf } from "../secrets.js";

/** The names under which the browser keeps what a buyer types. `webapp/components/user_id.py` and `email.py` have the same. */
const TYPED = ["user-id", "email"];

/**
 * Forget the orders of all accounts but one: their secrets, their codes, their tickets and their purchases in doubt.
 * A guest's orders stay, because their secrets may be the only way to them.
 * @param {string} account its address; "": none
 */
export function forgetOtherAccounts(account) {
  forgetSecrets((owner) => owner !== account);
  const mayStay = (/** @type {string} */ reference) => secretOf(reference) !== "";
  forgetOrders(mayStay);
  forgetTickets(mayStay);
  forgetPurchases(mayStay);
}

/** Forget the orders of all accounts, and what the visitor has typed and chosen in this tab. */
export function forgetVisitor() {
  forgetOtherAccounts("");
  for (const name of TYPED) sharedArea.remove(name);
  for (const name of tabArea.keys()) tabArea.remove(name);
}
