import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { keepPurchase } from "../../../webapp/js/checkout/storage.js";
import { dropTickets, isOwnTicket, keepTickets, reviewTickets } from "../../../webapp/js/own_tickets.js";
import { sharedArea } from "../../../webapp/js/remembered.js";
import { ORDER, PURCHASE } from "./doubles.js";

const NOW = Date.parse("2027-06-01T12:00:00Z");
const DAY_MS = 24 * 3_600_000;

beforeEach(() => {
  for (const key of sharedArea.keys()) sharedArea.remove(key);
  keepPurchase(null);
});

test("the tickets of an order are this browser's for a day", () => {
  keepTickets(ORDER, NOW);
  assert.deepEqual([isOwnTicket(1, NOW), isOwnTicket(2, NOW), isOwnTicket(3, NOW)], [true, true, false]);
  assert.equal(isOwnTicket(1, NOW + DAY_MS), false);
  keepTickets({ ...ORDER, reference: "bk_2", bookings: [] }, NOW + DAY_MS);
  assert.deepEqual(sharedArea.keys(), ["order-tickets:bk_2"]);
});

test("a hold is this browser's until its end", () => {
  keepTickets({ ...ORDER, status: "pending", expiresAt: new Date(NOW + 300_000).toISOString() }, NOW);
  assert.deepEqual([isOwnTicket(1, NOW), isOwnTicket(1, NOW + 300_000)], [true, false]);
});

test("an order that has ended has no tickets", () => {
  const ended = { ...ORDER, reference: "bk_2" };
  keepTickets(ORDER);
  keepTickets(ended);
  reviewTickets({ ...ended, status: "expired" });
  assert.equal(isOwnTicket(1), true);
  dropTickets(ORDER.reference);
  assert.equal(isOwnTicket(1), false);
  // An order that somebody else has shared is not this browser's.
  reviewTickets(ORDER);
  assert.equal(isOwnTicket(1), false);
});

test("a returned ticket is no longer this browser's", () => {
  keepTickets(ORDER);
  const [first, second] = ORDER.bookings;
  reviewTickets({ ...ORDER, bookings: [{ ...first, returnedAt: "2027-06-01T12:00:00Z" }, second] });
  assert.deepEqual([isOwnTicket(1), isOwnTicket(2)], [false, true]);
});

test("a hold that is paid lasts", () => {
  keepTickets({ ...ORDER, status: "pending", expiresAt: new Date(Date.now() + 300_000).toISOString() });
  reviewTickets(ORDER);
  assert.equal(isOwnTicket(1, Date.now() + 600_000), true);
});

test("seats that another tab is booking may be this browser's, and those of this tab are not", () => {
  const inDoubt = { ...PURCHASE, inDoubt: true };
  sharedArea.set(`purchase-in-doubt:${PURCHASE.reference}`, JSON.stringify(inDoubt));
  assert.deepEqual([isOwnTicket(7), isOwnTicket(9)], [true, false]);
  keepPurchase(inDoubt);
  assert.equal(isOwnTicket(7), false);
});

test("any other text in the storage has no tickets", () => {
  for (const text of ["", "null", "{}", JSON.stringify({ ticketIds: "1", until: 1e15 })]) {
    sharedArea.set("order-tickets:bk_1", text);
    assert.equal(isOwnTicket(1), false, text);
  }
});
