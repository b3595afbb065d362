import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { UNREACHABLE } from "../../../../../webapp/js/booking_api.js";
import { IN_DOUBT, KEY, later, ORDER_PAGE, order, refusal, tab, wanting } from "../../doubles.js";

const EXPIRED = order({ status: "expired" });
const STANDING_EXPIRED = order({
  status: "expired",
  bookings: [8, 9].map((ticketId) => ({ ticketId, tier: "GA", userId: "user-1", seat: null })),
});
const NOT_FOUND = refusal("not_found");

beforeEach(() => mock.timers.enable({ apis: ["Date", "setTimeout"], now: 1_000_000 }));
afterEach(() => mock.timers.reset());

// --- Another purchase --------------------------------------------------------------------------------------------

test("another purchase waits until the one in doubt is settled", async () => {
  const { api, checkout, phase } = tab({ find: [order()] }, { purchase: IN_DOUBT });
  await checkout.book(wanting({ tier: "GA" }));
  assert.equal(phase(), "done");
  assert.deepEqual(api.requests, [["find", KEY]]);
});

test("the next purchase reuses the key of one that did not arrive", async () => {
  const { api, checkout } = tab({ find: [NOT_FOUND], book: [order()] }, { purchase: IN_DOUBT });
  await checkout.book(wanting({ tier: "GA" }));
  // The earlier request may still be on its way: under one key only one of them is booked.
  assert.deepEqual(
    api.sent.map(({ items, reference }) => [items[0].tier, reference]),
    [["GA", KEY]],
  );
});

for (const [status, phase] of [
  ["expired", "done"],
  ["declined", "declined"],
])
  test(`a purchase in doubt that is ${status} is shown before another is sent`, async () => {
    const { api, storage, checkout } = tab({ find: [order({ status })] }, { purchase: IN_DOUBT });
    await checkout.book(wanting({ tier: "GA" }));
    assert.deepEqual([checkout.view.get().phase, storage.purchase], [phase, null]);
    assert.deepEqual(api.requests, [["find", KEY]]);
  });

test("the next purchase looks up the purchase in doubt again", async () => {
  const { api, checkout, phase } = tab({ find: [NOT_FOUND, order()] }, { purchase: IN_DOUBT });
  await checkout.check();
  assert.equal(phase(), "not_found");
  await checkout.book(wanting({ tier: "GA" }));
  assert.equal(phase(), "done");
  assert.deepEqual(
    api.requests.map(([request]) => request),
    ["find", "find"],
  );
});

// --- Another try for a failed order --------------------------------------------------------------------------

test("an expired order is tried again for the same seats under a new key", async () => {
  const { api, checkout, visited, arrive } = tab({ find: [EXPIRED], book: [order()] });
  arrive("/booking/bk_0");
  await checkout.again("bk_0");
  assert.deepEqual(visited, [ORDER_PAGE]);
  assert.deepEqual(api.sent[0].items[0].ticketIds, [1, 2]);
  assert.match(api.sent[0].reference, /^bk_[a-z2-7]{26}$/);
});

test("the same standing tickets are tried again, then any others", async () => {
  const declined = tab({ find: [STANDING_EXPIRED], book: [refusal("declined")] });
  await declined.checkout.again("bk_0");
  // With any other tickets a late payment for these would be a second one.
  assert.deepEqual(declined.api.sent[0].items[0].ticketIds, [8, 9]);
  assert.equal(declined.phase(), "declined");
  const taken = tab({ find: [STANDING_EXPIRED], book: [refusal("seat_taken", { ticketIds: [9] }), order()] });
  await taken.checkout.again("bk_0");
  assert.deepEqual(
    taken.api.sent.map(({ items }) => items[0].ticketIds),
    [[8, 9], []],
  );
  assert.equal(taken.api.sent[1].items[0].quantity, 2);
  assert.equal(taken.phase(), "done");
});

test("an order of several tiers is tried again with an item for each", async () => {
  const bookings = [
    { ticketId: 8, tier: "GA", userId: "user-1", seat: null },
    { ticketId: 1, tier: "VIP", userId: "user-1", seat: 1 },
    { ticketId: 9, tier: "GA", userId: "user-1", seat: null },
  ];
  const items = [
    { tier: "GA", quantity: 2, ticketIds: [8, 9] },
    { tier: "VIP", quantity: 1, ticketIds: [1] },
  ];
  const expired = order({ status: "expired", bookings });
  const standing = tab({ find: [expired], book: [refusal("seat_taken", { ticketIds: [9] }), order()] });
  await standing.checkout.again("bk_0");
  // Standing places are replaced, a seat is not.
  assert.deepEqual(
    standing.api.sent.map((purchase) => purchase.items),
    [items, [{ ...items[0], ticketIds: [] }, items[1]]],
  );
  const seat = tab({ find: [expired], book: [refusal("seat_taken", { ticketIds: [1, 9] })] });
  await seat.checkout.again("bk_0");
  assert.deepEqual([seat.phase(), seat.api.sent.length], ["seat_taken", 1]);
});

test("seats that others have are not replaced", async () => {
  const { api, checkout, phase } = tab({ find: [EXPIRED], book: [refusal("seat_taken", { ticketIds: [1] })] });
  await checkout.again("bk_0");
  assert.deepEqual([phase(), api.sent.length], ["seat_taken", 1]);
});

test("an order that is live after all is not booked again", async () => {
  const { api, checkout, phase } = tab({ find: [order()] });
  const { turn } = checkout.view.get();
  await checkout.again("bk_0");
  assert.deepEqual([phase(), api.requests], ["idle", [["find", "bk_0"]]]);
  assert.ok(checkout.view.get().turn > turn);
});

test("an order without tickets is not booked again", async () => {
  const { api, checkout, phase } = tab({ find: [order({ status: "declined", bookings: [] })] });
  await checkout.again("bk_0");
  assert.deepEqual([phase(), api.requests], ["idle", [["find", "bk_0"]]]);
});

test("the lookup before another try is shown and explained", async () => {
  const lookedUp = later();
  const { checkout, phase } = tab({ find: [lookedUp.outcome], book: [order()] });
  const trying = checkout.again("bk_0");
  mock.timers.tick(2_000);
  assert.deepEqual([phase(), checkout.view.get().patience], ["sending", "explain"]);
  lookedUp.respond(EXPIRED);
  await trying;
  assert.equal(phase(), "done");
});

for (const [outcome, phase, wait] of /** @type {const} */ ([
  [UNREACHABLE, "away", 0],
  [refusal("busy", { retryAfterS: 3 }), "busy", 3],
  [refusal("rate_limited", { retryAfterS: 42 }), "rate_limited", 42],
  [NOT_FOUND, "refused", 0],
]))
  test(`another try that sends nothing leaves no doubt: ${phase}`, async () => {
    const { api, storage, checkout } = tab({ find: [outcome] });
    await checkout.again("bk_0");
    assert.deepEqual([checkout.view.get().phase, checkout.view.get().wait, storage.purchase], [phase, wait, null]);
    assert.deepEqual(api.requests, [["find", "bk_0"]]);
  });

test("another try does not hide an earlier purchase in doubt", async () => {
  const { storage, checkout, phase } = tab({ find: [refusal("busy")] }, { purchase: IN_DOUBT });
  await checkout.again("bk_0");
  // "Nothing was booked" would not be certain.
  assert.deepEqual([phase(), storage.purchase], ["unreachable", IN_DOUBT]);
});
