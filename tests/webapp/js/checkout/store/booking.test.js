import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { UNREACHABLE } from "../../../../../webapp/js/booking_api.js";
import { countsOf } from "../../../../../webapp/js/checkout/purchase.js";
import { TRIES } from "../../../../../webapp/js/checkout/submit.js";
import { later, MIXED, ORDER_PAGE, order, refusal, settled, tab, WANTED, wanting } from "../../doubles.js";

const NOT_FOUND = refusal("not_found");

beforeEach(() => mock.timers.enable({ apis: ["Date", "setTimeout"], now: 1_000_000 }));
afterEach(() => mock.timers.reset());

test("a booking leads to its own page", async () => {
  const { api, storage, checkout, visited, arrive, phase } = tab({ book: [order()] });
  arrive();
  await checkout.book(WANTED);
  assert.deepEqual(visited, [ORDER_PAGE]);
  assert.deepEqual([phase(), storage.purchase], ["done", null]);
  const { event, items, userId, expectedTotal } = api.sent[0];
  assert.deepEqual({ event, items, userId, expectedTotal }, WANTED);
});

test("a buyer who left before the order's page appeared gets it again", async () => {
  const { checkout, visited, arrive, phase } = tab({ book: [order()] });
  arrive()();
  await checkout.book(WANTED);
  arrive();
  assert.deepEqual(visited, [ORDER_PAGE, ORDER_PAGE]);
  assert.equal(phase(), "done", "a second click would book once more");
  arrive(ORDER_PAGE);
  assert.equal(phase(), "idle");
});

test("a second click while a purchase is being sent does nothing", async () => {
  const first = later();
  const { api, checkout, phase } = tab({ book: [first.outcome] });
  const sending = checkout.book(WANTED);
  await checkout.book(WANTED);
  await checkout.again("bk_2");
  checkout.reject("user_missing");
  assert.equal(phase(), "sending");
  first.respond(order());
  await sending;
  await checkout.book(WANTED);
  assert.deepEqual([phase(), api.requests.length], ["done", 1]);
});

test("the purchase is stored as in doubt before it is sent", async () => {
  const { storage, checkout } = tab({ book: [later().outcome] });
  void checkout.book(WANTED);
  await settled();
  assert.equal(storage.purchase?.inDoubt, true);
  assert.equal(storage.purchase?.sentAt, Date.now());
});

test("another try after a declined payment has a new key", async () => {
  const { api, storage, checkout, phase } = tab({ book: [refusal("declined"), order()] });
  await checkout.book(WANTED);
  assert.deepEqual([phase(), storage.purchase], ["declined", null]);
  await checkout.book(WANTED);
  assert.notEqual(api.sent[0].reference, api.sent[1].reference);
});

for (const kind of /** @type {const} */ (["busy", "unreachable"]))
  test(`another try after ${kind} has the same key`, async () => {
    const tries = Array(TRIES).fill(refusal(kind));
    const { api, checkout, visited, phase } = tab({
      book: [...tries, order()],
      find: Array(TRIES).fill(refusal("busy")),
    });
    await checkout.book(WANTED);
    assert.equal(phase(), kind);
    await checkout.book(WANTED);
    assert.deepEqual(visited.length, 0); // no page has arrived
    assert.equal(phase(), "done");
    assert.equal(new Set(api.sent.map(({ reference }) => reference)).size, 1);
  });

for (const [outcome, phase, wait] of /** @type {const} */ ([
  [refusal("sold_out"), "sold_out", 0],
  [refusal("all_held", { retryAfterS: 75 }), "all_held", 75],
  [refusal("rate_limited", { retryAfterS: 42 }), "rate_limited", 42],
  [refusal("not_on_sale"), "not_on_sale", 0],
  [refusal("refused"), "refused", 0],
  [refusal("invalid"), "invalid", 0],
]))
  test(`a refusal has its own phase: ${phase}`, async () => {
    const { storage, checkout } = tab({ book: [outcome] });
    await checkout.book(WANTED);
    const view = checkout.view.get();
    assert.deepEqual([view.phase, view.wait, view.locked], [phase, wait, wait > 0]);
    assert.deepEqual([view.event, view.tier, view.quantity], ["evening", "VIP", 2]);
    // A refused request spends no key. The tab's next purchase may have the same key, and nothing is in doubt.
    assert.equal(storage.purchase?.inDoubt, false);
  });

test("the wait counts down and can end early", async () => {
  const { checkout } = tab({ book: [refusal("rate_limited", { retryAfterS: 42 })] });
  await checkout.book(WANTED);
  mock.timers.tick(10_000);
  checkout.refresh();
  assert.equal(checkout.view.get().wait, 32);
  checkout.stopWaiting();
  assert.deepEqual([checkout.view.get().wait, checkout.view.get().locked], [0, false]);
});

test("an exception in the app ends the sending", async (context) => {
  const logged = context.mock.method(console, "error", () => {});
  const { storage, checkout, phase } = tab({}); // The API has no response to give, and throws.
  await checkout.book(WANTED);
  assert.deepEqual([phase(), storage.purchase?.inDoubt, logged.mock.callCount()], ["unreachable", true, 1]);
  await checkout.again("bk_0");
  assert.equal(phase(), "unreachable");
});

test("an invalid form has a fault code", () => {
  const { api, checkout } = tab({});
  checkout.reject("user_missing");
  const { phase, detail } = checkout.view.get();
  assert.deepEqual([phase, detail, api.requests], ["invalid", "user_missing", []]);
});

test("an edited field loses its fault, but no other outcome", async () => {
  const { checkout, phase } = tab({ book: [refusal("declined")] });
  checkout.reject("email_invalid");
  checkout.edit("user_id");
  assert.equal(phase(), "invalid");
  checkout.edit("email");
  assert.equal(phase(), "idle");
  checkout.reject("user_invalid");
  checkout.edit("user_id");
  assert.deepEqual([phase(), checkout.view.get().detail], ["idle", ""]);
  checkout.reject("tickets_missing");
  checkout.edit("user_id");
  assert.equal(phase(), "invalid");
  await checkout.book(WANTED);
  checkout.edit("user_id");
  assert.equal(phase(), "declined");
});

test("one click books the remaining tickets under the same key", async () => {
  const { api, checkout } = tab({ book: [refusal("sold_out", { available: 1 }), order()] });
  await checkout.book(wanting({ ticketIds: [7, 8] }));
  const { phase, left, tier, quantity } = checkout.view.get();
  assert.deepEqual([phase, left, tier, quantity], ["fewer_left", 1, "VIP", 2]);
  await checkout.bookLeft(100, 2);
  assert.deepEqual([api.sent[1].items[0].quantity, api.sent[1].items[0].ticketIds], [1, []]);
  assert.equal(api.sent[0].reference, api.sent[1].reference);
});

test("a refusal of one item names its tier, and the other items stay in the next purchase", async () => {
  const { api, checkout } = tab({ book: [refusal("sold_out", { available: 1, item: 0 }), order()] });
  await checkout.book({ ...WANTED, items: MIXED, expectedTotal: 130 });
  const { phase, left, tier, quantity, mixed, refused_item } = checkout.view.get();
  assert.deepEqual([phase, left, tier, quantity, mixed], ["fewer_left", 1, "GA", 3, true]);
  assert.deepEqual(refused_item, MIXED[0]);
  await checkout.bookLeft(10, 2);
  assert.deepEqual(api.sent[1].items, [{ ...MIXED[0], quantity: 1 }, MIXED[1]]);
  assert.equal(api.sent[1].expectedTotal, 110);
});

test("an outcome of all items names none of them", async () => {
  const { checkout } = tab({ book: [refusal("price_changed", { total: 140 })] });
  await checkout.book({ ...WANTED, items: MIXED, expectedTotal: 130 });
  const { tier, quantity, tickets, refused_item } = checkout.view.get();
  assert.deepEqual([tier, quantity, refused_item], ["", 4, null]);
  assert.equal(tickets, countsOf(MIXED));
});

test("the remaining tickets are booked only after a refusal", async () => {
  const { api, checkout } = tab({});
  await checkout.bookLeft(100, 2);
  assert.deepEqual(api.requests, []);
});

test("the page gets the seats that others have", async () => {
  const { checkout, phase } = tab({ book: [refusal("seat_taken", { ticketIds: [7] })] });
  await checkout.book(wanting({ ticketIds: [7, 8] }));
  assert.deepEqual([phase(), checkout.view.get().seats_gone], ["seat_taken", [7]]);
});

test("the loss of offered seats is explained by the stock of their tier", async () => {
  const taken = refusal("seat_taken", { ticketIds: [8] });
  const offered = { ...WANTED, items: [MIXED[0], { tier: "VIP", quantity: 2, ticketIds: [7, 8], isOffered: true }] };
  const short = tab({ book: [taken], best: [refusal("sold_out", { available: 1 })] });
  await short.checkout.book(offered);
  const { phase, left, tier, quantity } = short.checkout.view.get();
  assert.deepEqual([phase, left, tier, quantity], ["fewer_left", 1, "VIP", 2]);
  assert.deepEqual(short.api.searches, [["evening", "VIP", 2]]);
  // While there are others, or the search fails, the seats were taken.
  for (const found of [{ choices: [] }, UNREACHABLE]) {
    const others = tab({ book: [taken], best: [found] });
    await others.checkout.book(offered);
    assert.deepEqual([others.phase(), others.checkout.view.get().seats_gone], ["seat_taken", [8]]);
  }
  // The buyer's own picks have no others.
  const picked = tab({ book: [taken] });
  await picked.checkout.book(wanting({ ticketIds: [7, 8] }));
  assert.deepEqual([picked.phase(), picked.api.searches], ["seat_taken", []]);
});

test("a listener is called once per outcome, after it is shown", async () => {
  const { checkout, phase } = tab({ book: [refusal("sold_out"), refusal("not_on_sale")] });
  /** @type {string[]} */
  const heard = [];
  const stop = checkout.onOutcome(() => heard.push(phase()));
  await checkout.book(WANTED);
  stop();
  await checkout.book(WANTED);
  assert.deepEqual(heard, ["sold_out"]);
});

test("slow sending explains itself and then offers to check", async () => {
  const { checkout } = tab({ book: [later().outcome] });
  void checkout.book(WANTED);
  await settled();
  assert.equal(checkout.view.get().patience, "");
  mock.timers.tick(2_000);
  assert.equal(checkout.view.get().patience, "explain");
  mock.timers.tick(8_000);
  assert.equal(checkout.view.get().patience, "check");
});

test("an offline purchase is sent once the network is back", async () => {
  const { network, checkout, phase } = tab({ book: [UNREACHABLE, order()], find: [NOT_FOUND] });
  network.online = false;
  const seen = new Set();
  checkout.view.subscribe(() => seen.add(checkout.view.get().offline));
  network.onWait = () => {
    network.online = true;
  };
  await checkout.book(WANTED);
  assert.equal(phase(), "done");
  assert.ok(seen.has(true));
});
