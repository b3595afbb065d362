import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { UNREACHABLE } from "../../../../../webapp/js/booking_api.js";
import { IN_DOUBT, KEY, later, ORDER_PAGE, order, refusal, settled, tab, WANTED } from "../../doubles.js";

const NOT_FOUND = refusal("not_found");

beforeEach(() => mock.timers.enable({ apis: ["Date", "setTimeout"], now: 1_000_000 }));
afterEach(() => mock.timers.reset());

test("a reloaded tab looks up its purchase", async () => {
  const { api, visited, arrive } = tab({ find: [order()] }, { purchase: IN_DOUBT });
  arrive();
  await settled();
  assert.deepEqual(visited, [ORDER_PAGE]);
  assert.deepEqual(api.requests, [["find", KEY]]);
});

test("a tab looks up the purchase of a closed tab", async () => {
  const { visited, arrive } = tab({ find: [order()] }, { orphan: IN_DOUBT });
  arrive();
  await settled();
  assert.deepEqual(visited, [ORDER_PAGE]);
});

test("the order's own page shows no notice about its purchase", async () => {
  const { storage, visited, phase, arrive } = tab({ find: [order()] }, { orphan: IN_DOUBT });
  arrive(ORDER_PAGE);
  await settled();
  assert.deepEqual([phase(), visited, storage.purchase], ["idle", [], null]);
  storage.orphan = null;
  // Another page is not led back.
  arrive();
  assert.deepEqual([phase(), visited], ["idle", []]);
});

test("a tab without a purchase in doubt sends no request", async () => {
  const { api, phase, arrive } = tab({}, { purchase: { ...IN_DOUBT, inDoubt: false } });
  arrive();
  await settled();
  assert.deepEqual([phase(), api.requests], ["idle", []]);
});

for (const status of ["expired", "cancelled"])
  test(`a lost purchase that is ${status} leads to its own page`, async () => {
    const { visited, arrive } = tab({ find: [order({ status })] }, { purchase: IN_DOUBT });
    arrive();
    await settled();
    assert.deepEqual(visited, [ORDER_PAGE]);
  });

test("after a reload the page shows the purchase as being sent", async () => {
  const { network, checkout, visited, arrive } = tab(
    { find: [NOT_FOUND, order()] },
    { purchase: { ...IN_DOUBT, sentAt: Date.now() } },
  );
  /** @type {unknown[]} */
  const seen = [];
  network.onWait = () => {
    const { phase, detail, patience } = checkout.view.get();
    seen.push([phase, detail, patience]);
  };
  arrive();
  await settled();
  assert.deepEqual(seen.at(-1), ["sending", "no_response", "check"]);
  assert.deepEqual(visited, [ORDER_PAGE]);
});

test("a purchase that did not arrive unlocks the page and ends its doubt", async () => {
  const { network, storage, phase, arrive } = tab(
    { find: Array(50).fill(NOT_FOUND) },
    { purchase: { ...IN_DOUBT, sentAt: Date.now() } },
  );
  network.onWait = () => {
    mock.timers.tick(5_000);
    if (phase() === "not_found") assert.ok(Date.now() >= 1_000_000 + 15_000);
  };
  arrive();
  await settled();
  assert.equal(phase(), "not_found");
  assert.deepEqual([storage.purchase?.reference, storage.purchase?.inDoubt], [KEY, false]);
  assert.ok(Date.now() > 1_000_000 + 90_000);
});

test("a purchase in doubt is looked up until its outcome is known", async () => {
  const { api, network, visited, phase, arrive } = tab(
    { find: [UNREACHABLE, refusal("busy"), UNREACHABLE, order()] },
    { purchase: IN_DOUBT },
  );
  /** @type {string[]} */
  const phases = [];
  network.onWait = () => phases.push(phase());
  arrive();
  await settled();
  assert.deepEqual(visited, [ORDER_PAGE]);
  assert.equal(api.requests.length, 4);
  assert.deepEqual(new Set(phases.slice(1)), new Set(["unreachable"]));
});

test("the lookups end after ten minutes or with their page", async () => {
  const unknown = Array(500).fill(UNREACHABLE);
  const first = tab({ find: unknown }, { purchase: IN_DOUBT });
  first.network.onWait = () => mock.timers.tick(5_000);
  first.arrive();
  await settled();
  assert.ok(first.api.requests.length > 100 && first.api.requests.length < 130, String(first.api.requests.length));
  const second = tab({ find: unknown }, { purchase: IN_DOUBT });
  const leave = second.arrive();
  second.network.onWait = () => second.network.waits.length > 3 && leave();
  await settled();
  assert.ok(second.api.requests.length < 5);
  assert.equal(second.storage.purchase?.inDoubt, true);
});

test("a check shows that nothing was booked", async () => {
  const { checkout, phase } = tab({ find: [NOT_FOUND] }, { purchase: IN_DOUBT });
  await checkout.check();
  assert.equal(phase(), "not_found");
});

test("a check while the API is busy leaves the outcome unknown", async () => {
  const { storage, checkout, phase } = tab({ find: [refusal("busy")] }, { purchase: IN_DOUBT });
  await checkout.check();
  assert.deepEqual([phase(), storage.purchase], ["unreachable", IN_DOUBT]);
});

test("a check that finds the order ends the sending", async () => {
  const sent = later();
  const { api, network, checkout, visited, arrive, phase } = tab({
    book: [sent.outcome],
    find: [NOT_FOUND, order(), order()],
  });
  arrive();
  const sending = checkout.book(WANTED);
  await settled();
  await checkout.check();
  assert.deepEqual([phase(), checkout.view.get().detail], ["sending", "no_response"]);
  await checkout.check();
  assert.deepEqual([phase(), visited], ["done", [ORDER_PAGE]]);
  arrive(ORDER_PAGE);
  assert.equal(phase(), "idle");
  sent.respond(UNREACHABLE);
  await sending;
  assert.deepEqual([phase(), visited.length, network.waits.length], ["idle", 1, 1]);
  assert.equal(api.sent.length, 1);
});

test("a page from the back/forward cache looks up its purchase", async () => {
  const { storage, network, checkout, visited, arrive, phase } = tab({ book: [refusal("sold_out")], find: [order()] });
  arrive();
  await checkout.book(WANTED);
  network.restore();
  await settled();
  assert.equal(phase(), "sold_out");
  // Another page of this tab has sent a purchase.
  storage.purchase = IN_DOUBT;
  network.restore();
  await settled();
  assert.deepEqual(visited, [ORDER_PAGE]);
});

test("another page forgets the last outcome, but not a pending one", async () => {
  const sent = later();
  const { checkout, visited, arrive, phase } = tab({ book: [refusal("sold_out"), sent.outcome] });
  arrive();
  await checkout.book(WANTED);
  arrive("/event/other");
  assert.equal(phase(), "idle");
  const sending = checkout.book(WANTED);
  arrive();
  assert.equal(phase(), "sending");
  sent.respond(order());
  await sending;
  assert.deepEqual(visited, [ORDER_PAGE]);
});
