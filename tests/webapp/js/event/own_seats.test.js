// Shown seats that are taken, compared with the stored orders of this browser.
import assert from "node:assert/strict";
import { test } from "node:test";

import { deriveView } from "../../../../webapp/js/event/derive.js";
import { isOwnTicket, keepTickets } from "../../../../webapp/js/own_tickets.js";
import { ORDER } from "../doubles.js";
import { loaded, NOW } from "./examples.js";

/** Return whether the page names the buyer's own booking, after the shown seats 1 and 2 were taken. */
function namesOwn() {
  const offer = { quantity: 2, choices: [], at: NOW, taken: [1, 2], isOpen: false, changedAt: 0 };
  const state = loaded({ quantities: { VIP: 2 }, offers: { VIP: offer } });
  const checkout = { locked: false, wait: 0 };
  const { entries } = deriveView(state, { now: NOW, serverNow: NOW, checkout, isOwn: isOwnTicket });
  assert.equal(entries[0].lost, true);
  return entries[0].lost_to_own;
}

test("after the end of a hold the seats are no longer the buyer's", () => {
  const hold = /** @type {const} */ ({ ...ORDER, status: "pending" });
  keepTickets({ ...hold, expiresAt: new Date(Date.now() + 60_000).toISOString() });
  assert.equal(namesOwn(), true);
  keepTickets({ ...hold, expiresAt: new Date(Date.now() - 1_000).toISOString() });
  assert.equal(namesOwn(), false);
});
