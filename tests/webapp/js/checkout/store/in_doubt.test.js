// Purchases of unknown outcome: refusals after a lost response, and clocks that the visitor sets back.

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { UNREACHABLE } from "../../../../../webapp/js/booking_api.js";
import { submit, TRIES } from "../../../../../webapp/js/checkout/submit.js";
import { CancellingStore } from "../../../../../webapp/js/orders/cancelling_store.js";
import {
  FakeApi,
  FakeNetwork,
  IN_DOUBT,
  ORDER_PAGE,
  order,
  PURCHASE,
  refusal,
  settled,
  tab,
  WANTED,
} from "../../doubles.js";

const START = 1_000_000_000;
const HOUR_MS = 3_600_000;
const NOT_FOUND = refusal("not_found");

/** Time by the monotonic clock, in milliseconds. */
let elapsed = 0;

beforeEach(() => {
  elapsed = 0;
  mock.timers.enable({ apis: ["Date", "setTimeout"], now: START });
  mock.method(performance, "now", () => elapsed);
});
afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

/** @param {number} ms */
function pass(ms) {
  elapsed += ms;
  mock.timers.tick(ms);
}

const setClockBack = () => mock.timers.setTime(Date.now() - HOUR_MS);

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
      pass(5_000);
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
    pass(5_000);
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
  pass(20_000);
  await checkout.check();
  assert.equal(phase(), "not_found");
});

test("a clock that is set back does not extend the lookups", async () => {
  const { api, network, arrive } = tab({ find: Array(500).fill(UNREACHABLE) }, { purchase: IN_DOUBT });
  network.onWait = () => {
    pass(5_000);
    if (network.waits.length === 3) setClockBack();
  };
  arrive();
  await settled();
  assert.ok(api.requests.length > 100 && api.requests.length < 130, String(api.requests.length));
});

test("a clock that is set back does not extend a wait", async () => {
  const { checkout } = tab({ book: [refusal("rate_limited", { retryAfterS: 42 })] });
  await checkout.book(WANTED);
  pass(2_000);
  checkout.refresh();
  setClockBack();
  checkout.refresh();
  assert.equal(checkout.view.get().wait, 40);
  pass(40_000);
  checkout.refresh();
  assert.equal(checkout.view.get().locked, false);
});

test("offline, a clock that is set back delays no end", async () => {
  const network = new FakeNetwork();
  network.online = false;
  network.onWait = () => {
    pass(60_000);
    if (network.waits.length === 2) setClockBack();
  };
  const api = new FakeApi({ book: [UNREACHABLE], find: Array(100).fill(UNREACHABLE) });
  const outcome = await submit(PURCHASE, { book: api.book, find: api.find, report: () => {}, network });
  assert.deepEqual([outcome, network.waits.length], [UNREACHABLE, 10]);
});

test("offline, a cancellation ends although the clock is set back", async () => {
  const network = new FakeNetwork();
  network.online = false;
  network.onWait = () => {
    pass(60_000);
    if (network.waits.length === 2) setClockBack();
  };
  const cancelling = new CancellingStore(new FakeApi({ cancel: Array(100).fill(UNREACHABLE) }), network);
  await cancelling.cancel("bk_1", "user-1");
  assert.equal(cancelling.view.get().phase, "unreachable");
  assert.ok(network.waits.length < 15, String(network.waits.length));
});
