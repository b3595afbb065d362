// The data of an account that leaves this browser, which the next person may use.

import { forgetPurchases } from "../checkout/storage.js";
import { forgetOrders } from "../offline/kept_orders.js";
import { forgetTickets } from "../own_tickets.js";
import { sealStorage, sharedArea, tabArea } from "../remembered.js";
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
  forgetWithoutSecrets();
}

/** Forget the orders whose secrets this browser does not have. */
function forgetWithoutSecrets() {
  const mayStay = (/** @type {string} */ reference) => secretOf(reference) !== "";
  forgetOrders(mayStay);
  forgetTickets(mayStay);
  forgetPurchases(mayStay);
}

/** Forget the orders of all accounts, and what the visitor has typed and chosen in this tab. */
export function forgetVisitor() {
  forgetOtherAccounts("");
  for (const name of TYPED) sharedArea.remove(name);
  forgetTab();
}

/**
 * Load the page anew after a sign-out, so that it has nothing in memory that the account has read.
 *
 * A response to this page may have stored an order after the tab that signs out had deleted all of them, and others may
 * arrive before the page ends.
 */
export function leaveTab() {
  forgetWithoutSecrets();
  forgetTab();
  sealStorage();
  window.location.reload();
}

/** Forget what the visitor has typed and chosen in this tab. */
function forgetTab() {
  for (const name of tabArea.keys()) tabArea.remove(name);
}
