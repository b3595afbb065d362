// Purchases of unknown outcome: refusals after a lost response, and clocks that the visitor sets back.

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { UNREACHABLE } from "../../../../../webapp/js/booking_api.js";
import { TRIES } from "../../../../../webapp/js/checkout/submit.js";
import { fakeClocks, HOUR_MS, IN_DOUBT, ORDER_PAGE, order, refusal, settled, tab, WANTED } from "../../doubles.js";

const START = 1_000_000_000;
const NOT_FOUND = refusal("not_found");

/** @type {ReturnType<typeof fakeClocks>} */
let clocks;

beforeEach(() => {
  clocks = fakeClocks(mock, START);
});
afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

for (const kind of /** @type {const} */ (["sold_out", "all_held", "seat_taken", "not_on_sale", "refused"]))
  test(`after a lost response ${kind} leaves the purchase in doubt for 90 seconds`, async () => {
    const { api, network, storage, checkout, arrive, phase } = tab({
      book: [UNREACHABLE, refusal(kind)],
      find: Array(30).fill(NOT_FOUND),
    });
    arrive();
    await checkout.book(WANTED);
    assert.deepEqual([phase(), storage.purchase?.inDoubt, storage.purchase?.sentAt], [kind, true, Date.now()]);
    network.onWait = () => {
      assert.equal(storage.purchase?.inDoubt, true);
      clocks.pass(5_000);
    };
    await settled();
    assert.ok(Date.now() > START + 90_000);
    // Lookups without an order leave the refusal on the page.
    assert.deepEqual([phase(), storage.purchase?.inDoubt], [kind, false]);
    assert.ok(api.requests.length < 30);
  });

test("an order that the lost request made after the refusal is found", async () => {
  const { checkout, visited, arrive } = tab({
    book: [UNREACHABLE, refusal("sold_out")],
    find: [NOT_FOUND, NOT_FOUND, order()],
  });
  arrive();
  await checkout.book(WANTED);
  await settled();
  assert.deepEqual(visited, [ORDER_PAGE]);
});

test("a declined payment ends the doubt although a response was lost", async () => {
  const { storage, checkout, phase } = tab({ book: [UNREACHABLE, refusal("declined")], find: [NOT_FOUND] });
  await checkout.book(WANTED);
  assert.deepEqual([phase(), storage.purchase], ["declined", null]);
});

test("a lookup that began before a click does not replace the outcome of that click", async () => {
  const { network, storage, checkout, arrive, phase } = tab({
    book: [...Array(TRIES).fill(UNREACHABLE), refusal("sold_out")],
    find: Array(30).fill(NOT_FOUND),
  });
  arrive();
  /** @type {(() => void)[]} */
  const sleepers = [];
  await checkout.book(WANTED);
  assert.equal(phase(), "unreachable");
  network.sleep = () => new Promise((resolve) => sleepers.push(() => resolve(undefined)));
  await settled();
  await checkout.book(WANTED);
  assert.equal(phase(), "sold_out");
  for (const wake of sleepers.splice(0)) wake();
  await settled();
  assert.deepEqual([phase(), storage.purchase?.inDoubt], ["sold_out", true]);
});

test("a purchase that was settled in another page of the tab is looked up no more", async () => {
  const { api, network, storage, arrive } = tab({ find: Array(30).fill(UNREACHABLE) }, { purchase: IN_DOUBT });
  network.onWait = () => {
    if (network.waits.length === 3) storage.purchase = { ...IN_DOUBT, inDoubt: false };
  };
  arrive();
  await settled();
  assert.ok(api.requests.length <= 3, String(api.requests.length));
});

test("a request from the future counts as sent now", async () => {
  const { network, storage, phase, arrive } = tab(
    { find: Array(50).fill(NOT_FOUND) },
    { purchase: { ...IN_DOUBT, sentAt: START + HOUR_MS } },
  );
  /** @type {string[]} */
  const phases = [];
  network.onWait = () => {
    assert.equal(storage.purchase?.sentAt, START);
    phases.push(phase());
    clocks.pass(5_000);
  };
  arrive();
  await settled();
  assert.deepEqual(new Set(phases), new Set(["sending", "not_found"]));
  assert.deepEqual([phase(), storage.purchase?.inDoubt], ["not_found", false]);
  assert.ok(Date.now() > START + 90_000 && Date.now() < START + HOUR_MS);
});

test("checking a request from the future counts it as sent now", async () => {
  const { storage, checkout, phase } = tab(
    { find: [NOT_FOUND, NOT_FOUND] },
    { purchase: { ...IN_DOUBT, sentAt: START + HOUR_MS } },
  );
  await checkout.check();
  assert.deepEqual([phase(), storage.purchase?.sentAt], ["idle", START]);
  clocks.pass(20_000);
  await checkout.check();
  assert.equal(phase(), "not_found");
});

test("a clock that is set back does not extend the lookups", async () => {
  const { api, network, arrive } = tab({ find: Array(500).fill(UNREACHABLE) }, { purchase: IN_DOUBT });
  network.onWait = () => {
    clocks.pass(5_000);
    if (network.waits.length === 3) clocks.setBack();
  };
  arrive();
  await settled();
  assert.ok(api.requests.length > 100 && api.requests.length < 130, String(api.requests.length));
});

test("a clock that is set back does not extend a wait", async () => {
  const { checkout } = tab({ book: [refusal("rate_limited", { retryAfterS: 42 })] });
  await checkout.book(WANTED);
  clocks.pass(2_000);
  checkout.refresh();
  clocks.setBack();
  checkout.refresh();
  assert.equal(checkout.view.get().wait, 40);
  clocks.pass(40_000);
  checkout.refresh();
  assert.equal(checkout.view.get().locked, false);
});
