import assert from "node:assert/strict";
import { test } from "node:test";

import { deriveList, INITIAL_STATE, pagePath, replaceOrder } from "../../../../webapp/js/orders/list_view.js";
import { event, NOW, order } from "./examples.js";

/** @import { ListState } from "../../../../webapp/js/orders/list_view.js" */
/** @import { Order } from "../../../../webapp/js/schemas.js" */

/** @param {Partial<ListState>} changes */
const view = (changes) => deriveList({ ...INITIAL_STATE, ...changes }, NOW);

/**
 * @param {Order[]} orders
 * @param {string | null} [next]
 */
const page = (orders, next = null) => ({ body: { orders, next }, asOf: "" });

test("the list is idle, loading, listed or away", () => {
  const { phase, show, more, adding } = view({});
  assert.deepEqual([phase, show, more, adding], ["idle", "upcoming", false, false]);
  assert.equal(view({ user: "user-1" }).phase, "loading");
  assert.equal(view({ user: "user-1", failed: true }).phase, "away");
  const listed = view({ user: "user-1", orders: [], failed: true });
  assert.deepEqual([listed.phase, listed.away], ["listed", true]);
  assert.equal(view({ user: "user-1", orders: [] }).away, false);
});

test("orders are described with their events, or without", () => {
  const other = order({ reference: "bk_2", event: "other" });
  const { orders } = view({ user: "user-1", orders: [order(), other], events: { "aurora-sessions": event() } });
  assert.deepEqual(
    orders.map((each) => [each.reference, each.event.slug, each.event.name]),
    [
      ["bk_1", "aurora-sessions", "Aurora Sessions"],
      ["bk_2", "other", ""],
    ],
  );
});

test("the dialog names the selected order if it is listed", () => {
  assert.equal(view({ orders: [order()], dialogReference: "bk_1" }).dialog_order.reference, "bk_1");
  const missing = view({ orders: [order()], dialogReference: "bk_9" }).dialog_order;
  assert.deepEqual([missing.reference, missing.cancellable], ["", false]);
});

test("without a user nothing is read", () => {
  assert.equal(pagePath("", "upcoming", null), null);
});

test("each page continues at the cursor of the previous page", () => {
  assert.equal(pagePath("a&b", "past", null), "/api/bookings?userId=a%26b&show=past&limit=10");
  const path = pagePath("user-1", "upcoming", page([], "x=1"));
  assert.equal(path, "/api/bookings?userId=user-1&show=upcoming&limit=10&cursor=x%3D1");
  assert.equal(pagePath("user-1", "upcoming", page([])), null);
});

test("a changed order replaces only itself in the pages", () => {
  const pages = [
    page([order({ reference: "bk_1" })]),
    page([order({ reference: "bk_2" }), order({ reference: "bk_3" })]),
  ];
  const changed = order({ reference: "bk_2", status: "cancelled" });
  const next = replaceOrder(pages, changed);
  assert.equal(next?.[0], pages[0]);
  assert.equal(next?.[1].body.orders[0], changed);
  assert.equal(next?.[1].body.orders[1], pages[1].body.orders[1]);
  assert.equal(pages[1].body.orders[0].status, "confirmed");
  assert.equal(replaceOrder(undefined, changed), undefined);
});
