import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { ACCOUNT_KEPT_AS } from "../../../../webapp/js/account/address.js";
import { forgetOtherAccounts, forgetVisitor } from "../../../../webapp/js/account/forgetting.js";
import { keepBasket } from "../../../../webapp/js/basket_storage.js";
import { keepPurchase } from "../../../../webapp/js/checkout/storage.js";
import { rememberEmail } from "../../../../webapp/js/email.js";
import { keepCode, keepOrder } from "../../../../webapp/js/offline/kept_orders.js";
import { keepTickets } from "../../../../webapp/js/own_tickets.js";
import { orderPath } from "../../../../webapp/js/paths.js";
import { keepDraft, rememberName, sharedArea, tabArea } from "../../../../webapp/js/remembered.js";
import { adoptProposed, assignSecrets, keepSecret, proposeSecret } from "../../../../webapp/js/secrets.js";
import { KEY, PURCHASE } from "../doubles.js";
import { event, order } from "../orders/examples.js";

const ANN = "ann@example.org";
const BOB = "bob@example.org";
const SECRET = "s".repeat(43);

/**
 * Keep an order of an account, or of a guest, with everything that its page keeps.
 * @param {string} reference
 * @param {string} account
 */
function keepAll(reference, account) {
  if (account) sharedArea.set(ACCOUNT_KEPT_AS, account);
  keepSecret(reference, SECRET);
  keepOrder(order({ reference }), event());
  keepCode(`${orderPath(reference)}/tickets/1.svg`, "<svg/>");
  keepTickets(order({ reference }));
  sharedArea.remove(ACCOUNT_KEPT_AS);
}

/** Return the references of which the browser keeps anything. */
const known = () => [...new Set(sharedArea.keys().flatMap((key) => /bk_[1-9]/.exec(key)?.[0] ?? []))].sort();

beforeEach(() => {
  keepPurchase(null);
  for (const area of [sharedArea, tabArea]) for (const key of area.keys()) area.remove(key);
});

test("a sign-out forgets the orders of accounts, and those without a secret", () => {
  keepAll("bk_1", ANN);
  keepAll("bk_2", "");
  keepOrder(order({ reference: "bk_3" }), event());
  forgetVisitor();
  assert.deepEqual(known(), ["bk_2"]);
});

test("a sign-in forgets the orders of other accounts", () => {
  keepAll("bk_1", ANN);
  keepAll("bk_2", BOB);
  keepAll("bk_3", "");
  forgetOtherAccounts(BOB);
  assert.deepEqual(known(), ["bk_2", "bk_3"]);
});

test("an order that an account has claimed is forgotten with it", () => {
  keepAll("bk_1", "");
  keepAll("bk_2", BOB);
  assignSecrets(ANN, ["bk_1", "bk_2", "bk_4"]);
  forgetOtherAccounts(BOB);
  assert.deepEqual(known(), ["bk_2"]);
});

test("the owner of an order stays the same after a revocation of its links", () => {
  keepAll("bk_1", ANN);
  keepAll("bk_2", "");
  sharedArea.set(ACCOUNT_KEPT_AS, ANN);
  for (const reference of ["bk_1", "bk_2", "bk_3", "bk_4"]) proposeSecret(reference);
  for (const reference of ["bk_1", "bk_2", "bk_3"]) adoptProposed(reference);
  keepSecret("bk_2", "t".repeat(43), 2);
  forgetVisitor();
  assert.deepEqual(known(), ["bk_2"]);
});

test("a sign-out forgets a purchase of the account in doubt, and keeps that of a guest", () => {
  const doubt = { ...PURCHASE, secret: SECRET, inDoubt: true };
  sharedArea.set(ACCOUNT_KEPT_AS, ANN);
  keepPurchase(doubt);
  forgetVisitor();
  assert.deepEqual([sharedArea.get(`purchase-in-doubt:${KEY}`), tabArea.get("purchase")], [null, null]);

  sharedArea.remove(ACCOUNT_KEPT_AS);
  keepPurchase(doubt);
  forgetVisitor();
  assert.notEqual(sharedArea.get(`purchase-in-doubt:${KEY}`), null);
});

test("a sign-out forgets what was typed and chosen", () => {
  rememberName("user-id", "Ann");
  rememberEmail(ANN);
  keepDraft("user-id", "An");
  keepBasket("evening", { tier: "GA", quantities: { GA: 1 }, picks: [], bestPicks: [] });
  sharedArea.set("language", "de");
  forgetVisitor();
  assert.deepEqual([sharedArea.keys(), tabArea.keys()], [["language"], []]);
});
