import assert from "node:assert/strict";
import { test } from "node:test";

import { describeOrder } from "../../../../webapp/js/orders/order.js";
import { deriveOrderPage, INITIAL_STATE } from "../../../../webapp/js/orders/page_view.js";
import { at, event, NOW, order } from "./examples.js";

/** @import { Order } from "../../../../webapp/js/schemas.js" */

/** @param {Partial<Order>} [changes] */
function returnedInPart(changes) {
  const [first, second] = order().bookings;
  return order({ bookings: [{ ...first, returnedAt: at(-5) }, second], ...changes });
}

/** @param {Order} each */
const pageOf = (each) => deriveOrderPage({ ...INITIAL_STATE, event: event(), order: each }, NOW);

test("returned tickets and their prices are described separately", () => {
  const { parts, quantity, total, returned_parts, returned_total } = describeOrder(returnedInPart(), event(), NOW);
  assert.deepEqual([parts, quantity, total], [[{ tier: "VIP", quantity: 1, price: 100 }], 1, 100]);
  assert.deepEqual([returned_parts, returned_total], [[{ tier: "VIP", quantity: 1, price: 100 }], 100]);
  const whole = describeOrder(order({ total: 210 }), event(), NOW);
  assert.deepEqual([whole.total, whole.returned_parts, whole.returned_total], [210, [], 0]);
});

test("sums of prices are exact in the digits of the currency", () => {
  const [line] = order().bookings;
  const bookings = [0.1, 0.2, 0.7].map((price, index) =>
    index < 2 ? { ...line, price } : { ...line, price, returnedAt: at(-5) },
  );
  assert.equal(describeOrder(order({ total: 1, bookings }), event(), NOW).total, 0.3);
});

test("only the remaining tickets have codes, which keep their lines", () => {
  const { tickets, lines } = pageOf(returnedInPart());
  assert.deepEqual(
    tickets.map(({ id, line, code }) => [id, line, code]),
    [[18, 2, "/api/bookings/bk_1/tickets/2.svg"]],
  );
  assert.equal(lines, 2);
});

test("an ended order is described with all of its tickets", () => {
  const { parts, quantity, total, refund, returned_total, tickets } = pageOf(
    returnedInPart({ status: "cancelled", refund: 200 }),
  );
  assert.deepEqual([parts[0].quantity, quantity, total, refund, returned_total], [2, 2, 200, 200, 0]);
  assert.equal(tickets.length, 2);
});
