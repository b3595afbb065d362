import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import {
  forgetOrder,
  KEPT_MAX,
  keepCode,
  keepOrder,
  keptCode,
  keptOrder,
} from "../../../../webapp/js/offline/kept_orders.js";
import { sharedArea } from "../../../../webapp/js/remembered.js";
import { event, order } from "../orders/examples.js";

const CODE = "/api/bookings/bk_1/tickets/1.svg";

beforeEach(() => {
  for (const key of sharedArea.keys()) sharedArea.remove(key);
});

test("a confirmed order is kept with its event and its codes", () => {
  keepOrder(order(), event(), 7);
  keepCode(CODE, "<svg/>");
  assert.deepEqual(keptOrder("bk_1"), { order: order(), event: event(), keptAt: 7 });
  assert.equal(keptCode(CODE), "<svg/>");
  assert.equal(keptOrder("bk_2"), null);
});

test("an order that is no longer confirmed is forgotten with its codes", () => {
  for (const status of ["cancelled", "expired", "declined", "pending"]) {
    keepOrder(order(), event());
    keepCode(CODE, "<svg/>");
    keepOrder(order(), null);
    assert.notEqual(keptOrder("bk_1"), null);
    keepOrder(order({ status }), null);
    assert.equal(keptOrder("bk_1"), null);
    assert.equal(keptCode(CODE), null);
  }
});

test("forgetting an order keeps the orders whose references begin alike", () => {
  for (const reference of ["bk_1", "bk_12"]) keepOrder(order({ reference }), event());
  keepCode("/api/bookings/bk_12/tickets/1.svg", "<svg/>");
  forgetOrder("bk_1");
  assert.notEqual(keptOrder("bk_12"), null);
  assert.equal(keptCode("/api/bookings/bk_12/tickets/1.svg"), "<svg/>");
});

test("the oldest orders are forgotten", () => {
  for (let number = 0; number <= KEPT_MAX; number += 1)
    keepOrder(order({ reference: `bk_${number}` }), event(), 1_000 + number);
  assert.equal(keptOrder("bk_0"), null);
  assert.notEqual(keptOrder("bk_1"), null);
  assert.notEqual(keptOrder(`bk_${KEPT_MAX}`), null);
});

test("an unreadable value is no order", () => {
  for (const value of ["", "{", "null", "1", '{"order":{}}']) {
    sharedArea.set("kept-order:bk_1", value);
    assert.equal(keptOrder("bk_1"), null);
  }
});
