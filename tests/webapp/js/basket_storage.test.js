import assert from "node:assert/strict";
import { test } from "node:test";

import { forgetBasket, keepBasket, recallBasket } from "../../../webapp/js/basket_storage.js";
import { tabArea } from "../../../webapp/js/remembered.js";

const BASKET = { tier: "GA", quantities: { GA: 2, VIP: 1 }, picks: [7] };

test("each event has its own basket until it is booked", () => {
  keepBasket("one", BASKET);
  assert.deepEqual(recallBasket("one", 10), BASKET);
  assert.equal(recallBasket("other", 10), null);
  forgetBasket("one");
  assert.equal(recallBasket("one", 10), null);
});

test("any other text in the storage is no basket", () => {
  for (const value of [
    "",
    "null",
    "{}",
    JSON.stringify({ ...BASKET, quantities: { GA: -1 } }),
    JSON.stringify({ ...BASKET, picks: ["7"] }),
    JSON.stringify({ ...BASKET, tier: 1 }),
    JSON.stringify({ tier: "GA", quantities: {}, picks: [] }),
  ]) {
    tabArea.set("basket:one", value);
    assert.equal(recallBasket("one", 10), null, value);
  }
  keepBasket("one", BASKET);
  assert.equal(recallBasket("one", 3), null);
});
