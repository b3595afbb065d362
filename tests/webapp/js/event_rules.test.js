import assert from "node:assert/strict";
import { test } from "node:test";

import { hasBegun, isRefundable, saleOf } from "../../../webapp/js/event_rules.js";
import { at, EVENT, NOW } from "./event/examples.js";

test("the sale follows the server's clock, the event's state and its times", () => {
  assert.equal(saleOf(EVENT, NOW), "on_sale");
  assert.equal(saleOf({ ...EVENT, state: "sold_out" }, NOW), "on_sale");
  assert.equal(saleOf({ ...EVENT, salesStartAt: at(1) }, NOW), "upcoming");
  assert.equal(saleOf({ ...EVENT, salesStartAt: at(0) }, NOW), "on_sale");
  assert.equal(saleOf({ ...EVENT, state: "ended" }, NOW), "ended");
  assert.equal(saleOf({ ...EVENT, salesEndAt: at(0) }, NOW), "ended");
  assert.equal(saleOf({ ...EVENT, salesEndAt: at(1) }, NOW), "on_sale");
  assert.equal(saleOf({ ...EVENT, startsAt: at(0) }, NOW), "ended");
  assert.equal(saleOf({ ...EVENT, state: "cancelled", salesStartAt: at(1) }, NOW), "cancelled");
});

test("an event begins at its time by the server's clock", () => {
  assert.equal(hasBegun({ startsAt: at(1) }, NOW), false);
  assert.equal(hasBegun({ startsAt: at(0) }, NOW), true);
  assert.equal(hasBegun({ startsAt: "" }, NOW), false);
});

test("orders of a cancelled event can be cancelled at any time, others until it begins", () => {
  assert.equal(isRefundable({ startsAt: at(1) }, NOW), true);
  assert.equal(isRefundable({ startsAt: at(0), state: "ended" }, NOW), false);
  assert.equal(isRefundable({ startsAt: at(0), state: "cancelled" }, NOW), true);
  assert.equal(isRefundable({ startsAt: "" }, NOW), true);
});

test("the end of a sale counts before its start, as in the API", () => {
  assert.equal(saleOf({ ...EVENT, state: "ended", salesStartAt: at(1) }, NOW), "ended");
  assert.equal(saleOf({ ...EVENT, salesStartAt: at(1), salesEndAt: at(0) }, NOW), "ended");
});
