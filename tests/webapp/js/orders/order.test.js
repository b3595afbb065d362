import assert from "node:assert/strict";
import { test } from "node:test";

import { describeOrder, isPending, NO_ORDER } from "../../../../webapp/js/orders/order.js";
import { at, event, NOW, order } from "./examples.js";

/** @import { Order } from "../../../../webapp/js/schemas.js" */

/** @param {Partial<Order>} changes */
const stateOf = (changes) => describeOrder(order(changes), event(), NOW).state;

test("a status is refined by late payments, holds and refunds", () => {
  assert.equal(stateOf({}), "confirmed");
  assert.equal(stateOf({ paidLate: true }), "paid_late");
  assert.equal(stateOf({ status: "pending", expiresAt: at(1) }), "pending");
  assert.equal(stateOf({ status: "pending", expiresAt: at(0) }), "overdue");
  assert.equal(stateOf({ status: "declined", bookings: [] }), "declined");
  assert.equal(stateOf({ status: "declined", refund: 200 }), "paid_too_late");
  assert.equal(stateOf({ status: "expired" }), "expired");
  assert.equal(stateOf({ status: "expired", refund: 200 }), "paid_too_late");
  assert.equal(stateOf({ status: "cancelled" }), "cancelled");
  assert.equal(stateOf({ status: "cancelled", refund: 200 }), "cancelled_refunded");
  assert.equal(stateOf({ status: "cancelled", total: 0, refund: 0 }), "cancelled");
});

test("an order shows its tickets by tier, its buyer and its amounts", () => {
  const described = describeOrder(order({ refund: 50 }), event(), NOW);
  assert.deepEqual(
    [
      described.parts,
      described.quantity,
      described.total,
      described.refund,
      described.currency,
      described.currencyDigits,
    ],
    [[{ tier: "VIP", quantity: 2, price: 100 }], 2, 200, 50, "USD", 2],
  );
  assert.deepEqual([described.user_id, described.booked_at], ["user-123", at(-60)]);
  assert.equal(described.event.name, "Aurora Sessions");
  assert.equal(described.short_reference, "XZ9J-GVWA");
  assert.equal(describeOrder(order(), event(), NOW).refund, 0);
});

test("an order of several tiers counts the tickets of each", () => {
  const { bookings } = order();
  const standing = { ...bookings[0], tier: "GA", price: 10 };
  const { parts, quantity } = describeOrder(order({ bookings: [bookings[0], standing, ...bookings] }), event(), NOW);
  assert.deepEqual(parts, [
    { tier: "VIP", quantity: 3, price: 100 },
    { tier: "GA", quantity: 1, price: 10 },
  ]);
  assert.equal(quantity, 4);
});

test("an order without tickets has neither tier nor buyer", () => {
  const described = describeOrder(order({ status: "declined", bookings: [] }), event(), NOW);
  assert.deepEqual([described.parts, described.quantity, described.user_id, described.booked_at], [[], 0, "", ""]);
});

test("of an unknown event only the slug is shown", () => {
  const { event: unknown } = describeOrder(order(), null, NOW);
  assert.deepEqual(unknown, { slug: "aurora-sessions", name: "", venue: "", startsAt: "", timeZone: "UTC" });
});

test("an order can be cancelled until the event begins", () => {
  for (const [status, startsAt, expected] of /** @type {[string, string, boolean][]} */ ([
    ["confirmed", at(1), true],
    ["pending", at(1), true],
    ["confirmed", at(0), false],
    ["expired", at(1), false],
    ["declined", at(1), false],
    ["cancelled", at(1), false],
  ]))
    assert.equal(describeOrder(order({ status }), event({ startsAt }), NOW).cancellable, expected, status);
  assert.equal(describeOrder(order(), event({ startsAt: at(-1), state: "cancelled" }), NOW).cancellable, false);
  assert.equal(describeOrder(order(), null, NOW).cancellable, true);
  assert.equal(describeOrder(NO_ORDER, null, NOW).cancellable, false);
});

test("an order is pending by its status", () => {
  assert.equal(isPending(order({ status: "pending" })), true);
  assert.equal(isPending(order()), false);
});

test("tickets admit while their order is confirmed", () => {
  assert.equal(describeOrder(order(), event(), NOW).valid, true);
  assert.equal(describeOrder(order({ status: "pending" }), event(), NOW).valid, false);
});
