// The total that the page showed is part of a purchase.

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { UNREACHABLE } from "../../../../../webapp/js/booking_api.js";
import { KEY, order, PURCHASE, refusal, tab, WANTED, wanting } from "../../doubles.js";

const NOT_FOUND = refusal("not_found");
const PRICE_CHANGED = refusal("price_changed", { total: 210 });

beforeEach(() => mock.timers.enable({ apis: ["Date", "setTimeout"], now: 1_000_000 }));
afterEach(() => mock.timers.reset());

test("a changed price is shown beside the old one, and the new total has a new key", async () => {
  const { api, storage, checkout, phase } = tab({ book: [PRICE_CHANGED, order()] }, { purchase: PURCHASE });
  await checkout.book(WANTED);
  const { expected_total, new_total, tier, quantity } = checkout.view.get();
  assert.deepEqual([phase(), expected_total, new_total, tier, quantity], ["price_changed", 200, 210, "VIP", 2]);
  assert.equal(storage.purchase, null);
  await checkout.book({ ...WANTED, expectedTotal: 210 });
  assert.equal(phase(), "done");
  assert.deepEqual(
    api.sent.map(({ expectedTotal }) => expectedTotal),
    [200, 210],
  );
  assert.equal(api.sent[0].reference, KEY);
  assert.notEqual(api.sent[1].reference, KEY);
});

test("after a lost response the purchase at the new total has the same key", async () => {
  const { api, storage, checkout, phase } = tab({
    book: [UNREACHABLE, PRICE_CHANGED, order()],
    find: [NOT_FOUND, NOT_FOUND],
  });
  await checkout.book(WANTED);
  // The request at the old total may arrive while that price applies again.
  assert.deepEqual([phase(), storage.purchase?.inDoubt], ["price_changed", true]);
  await checkout.book({ ...WANTED, expectedTotal: 210 });
  assert.equal(phase(), "done");
  assert.equal(new Set(api.sent.map(({ reference }) => reference)).size, 1);
});

test("a repetition expects the same total", async () => {
  const { api, checkout } = tab({ book: [UNREACHABLE, refusal("busy"), order()], find: [NOT_FOUND, NOT_FOUND] });
  await checkout.book(WANTED);
  assert.deepEqual(
    api.sent.map(({ expectedTotal }) => expectedTotal),
    [200, 200, 200],
  );
});

test("the remaining tickets have the total that the page shows", async () => {
  const { api, checkout } = tab({ book: [refusal("sold_out", { available: 3 }), order()] });
  await checkout.book({ ...wanting({ quantity: 4 }), expectedTotal: 0.4 });
  await checkout.bookLeft(0.1, 2);
  assert.deepEqual([api.sent[1].items[0].quantity, api.sent[1].expectedTotal], [3, 0.3]);
});

test("a failed order is booked again at its total, or at the new total of the page", async () => {
  const { api, checkout, phase } = tab({
    find: [order({ status: "expired", total: 60 }), order({ status: "expired", total: 60 })],
    book: [PRICE_CHANGED, order()],
  });
  await checkout.again("bk_0");
  assert.deepEqual([phase(), checkout.view.get().expected_total], ["price_changed", 60]);
  await checkout.again("bk_0", 0);
  assert.deepEqual(
    api.sent.map(({ expectedTotal }) => expectedTotal),
    [60, 0],
  );
});
