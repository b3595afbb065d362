import assert from "node:assert/strict";
import { test } from "node:test";

import { forgetBasket, keepBasket, recallBasket, TICKETS_MAX } from "../../../webapp/js/basket_storage.js";
import { tabArea } from "../../../webapp/js/remembered.js";

const BASKET = { tier: "GA", quantities: { GA: 2, VIP: 1 }, picks: [7, 8], bestPicks: [8] };

test("each event has its own basket until it is booked", () => {
  keepBasket("one", BASKET);
  assert.deepEqual(recallBasket("one"), BASKET);
  assert.equal(recallBasket("other"), null);
  forgetBasket("one");
  assert.equal(recallBasket("one"), null);
});

test("a basket that an earlier release has stored has no best seats", () => {
  const { bestPicks, ...stored } = BASKET;
  tabArea.set("basket:one", JSON.stringify(stored));
  assert.deepEqual(recallBasket("one"), { ...stored, bestPicks: [] });
});

test("any other text in the storage is no basket", () => {
  for (const value of [
    "",
    "null",
    "{}",
    JSON.stringify({ ...BASKET, quantities: { GA: -1 } }),
    JSON.stringify({ ...BASKET, picks: ["7"] }),
    JSON.stringify({ ...BASKET, bestPicks: [-8] }),
    JSON.stringify({ ...BASKET, tier: 1 }),
    JSON.stringify({ tier: "GA", quantities: {}, picks: [] }),
  ]) {
    tabArea.set("basket:one", value);
    assert.equal(recallBasket("one"), null, value);
  }
  keepBasket("one", { ...BASKET, quantities: { GA: TICKETS_MAX } });
  assert.equal(recallBasket("one"), null);
});
