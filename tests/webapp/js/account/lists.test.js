import assert from "node:assert/strict";
import { test } from "node:test";

import { forgetOrder, forgetOrders, keepOrder, keptOrder } from "../../../../webapp/js/offline/kept_orders.js";
import { deriveList, INITIAL_STATE, isPagePath, pagePath } from "../../../../webapp/js/orders/list_view.js";
import { event, NOW, order } from "../orders/examples.js";

const ANN = "ann@example.org";

test("the list of an account replaces that of the name", () => {
  assert.equal(pagePath("user-1", "past", null, ANN), "/api/me/orders?show=past&limit=10#ann%40example.org");
  const second = pagePath("", "past", { body: { orders: [], next: "x=1" }, asOf: "" }, ANN);
  assert.equal(second, "/api/me/orders?show=past&limit=10&cursor=x%3D1#ann%40example.org");
  assert.deepEqual([isPagePath(second, "past"), isPagePath(second, "upcoming")], [true, false]);
  assert.equal(deriveList({ ...INITIAL_STATE, account: ANN }, NOW).phase, "loading");
});

test("the cached lists of two accounts have different keys", () =>
  assert.notEqual(pagePath("", "past", null, ANN), pagePath("", "past", null, "bob@example.org")));

test("signing out forgets the orders that this browser cannot see without the account", () => {
  for (const reference of ["bk_1", "bk_2"]) keepOrder(order({ reference }), event());
  forgetOrders((reference) => reference === "bk_2");
  assert.deepEqual([keptOrder("bk_1"), keptOrder("bk_2")?.order.reference], [null, "bk_2"]);
  forgetOrder("bk_2");
});
