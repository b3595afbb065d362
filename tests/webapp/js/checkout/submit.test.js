import assert from "node:assert/strict";
import { test } from "node:test";

import { UNREACHABLE } from "../../../../webapp/js/booking_api.js";
import { submit, TRIES } from "../../../../webapp/js/checkout/submit.js";
import { FakeApi, FakeNetwork, fakeClocks, KEY, order, PURCHASE, refusal } from "../doubles.js";

/**
 * @param {FakeApi} api
 * @param {{ purchase?: typeof PURCHASE, network?: FakeNetwork }} [options]
 */
async function run(api, { purchase = PURCHASE, network = new FakeNetwork() } = {}) {
  /** @type {[string, number][]} */
  const reports = [];
  const report = (/** @type {string} */ detail, /** @type {number} */ attempt) => reports.push([detail, attempt]);
  const outcome = await submit(purchase, { book: api.book, find: api.find, report, network });
  return { outcome, reports, waits: network.waits };
}

/** @param {import("../../../../webapp/js/booking_api.js").Outcome} outcome */
const always = (outcome) => Array.from({ length: TRIES }, () => outcome);

for (const outcome of [order(), refusal("declined"), refusal("sold_out"), refusal("rate_limited"), refusal("refused")])
  test(`a first response is final: ${outcome.problem?.kind ?? "booked"}`, async () => {
    const api = new FakeApi({ book: [outcome] });
    assert.deepEqual(await run(api), { outcome, reports: [], waits: [] });
    assert.deepEqual(api.requests, [["book", KEY]]);
  });

test("busy waits for Retry-After, within a bound, and keeps the key", async () => {
  const busy = [refusal("busy", { retryAfterS: 3 }), refusal("busy", { retryAfterS: 60 })];
  const api = new FakeApi({ book: [...busy, order()] });
  assert.deepEqual(await run(api), {
    outcome: order(),
    reports: [
      ["busy", 2],
      ["busy", 3],
    ],
    waits: [3_000, 10_000],
  });
  assert.deepEqual(api.requests, Array(3).fill(["book", KEY]));
});

test("the tries end if the API stays busy", async () => {
  const busy = refusal("busy", { retryAfterS: 1 });
  const { outcome, reports } = await run(new FakeApi({ book: always(busy) }));
  assert.deepEqual(outcome, busy);
  assert.equal(reports.length, TRIES - 1);
});

test("a lost connection leads to a lookup before the next request", async () => {
  const api = new FakeApi({ book: [UNREACHABLE], find: [order()] });
  assert.deepEqual(await run(api), { outcome: order(), reports: [["retrying", 2]], waits: [1_000] });
  assert.deepEqual(api.requests, [
    ["book", KEY],
    ["find", KEY],
  ]);
});

test("a request that did not arrive is sent again under the same key", async () => {
  const api = new FakeApi({ book: [UNREACHABLE, order()], find: [refusal("not_found")] });
  assert.deepEqual((await run(api)).outcome, order());
  assert.deepEqual(api.requests, [
    ["book", KEY],
    ["find", KEY],
    ["book", KEY],
  ]);
});

for (const [found, outcome] of [
  [order(), order()],
  [refusal("not_found"), UNREACHABLE],
])
  test(`a used key leads to its order: ${found.problem?.kind ?? "booked"}`, async () => {
    const api = new FakeApi({ book: [refusal("key_reused")], find: [found] });
    assert.deepEqual((await run(api)).outcome, outcome);
  });

test("the tries end if the API does not respond", async () => {
  const api = new FakeApi({ book: always(UNREACHABLE), find: always(UNREACHABLE) });
  assert.deepEqual((await run(api)).outcome, UNREACHABLE);
});

for (const kind of /** @type {const} */ (["busy", "rate_limited"]))
  test(`after a lost response, ${kind} leaves the outcome unknown`, async () => {
    const api = new FakeApi({ book: [UNREACHABLE, ...always(refusal(kind))], find: always(refusal("busy")) });
    assert.deepEqual((await run(api)).outcome, UNREACHABLE);
  });

test("a purchase in doubt stays so while the API is busy", async () => {
  const api = new FakeApi({ book: always(refusal("busy")), find: always(refusal("not_found")) });
  const { outcome } = await run(api, { purchase: { ...PURCHASE, inDoubt: true } });
  assert.deepEqual(outcome, UNREACHABLE);
});

test("the tries of an offline purchase count from its reconnection", async () => {
  const network = new FakeNetwork();
  network.online = false;
  const offlineTimes = TRIES + 2;
  network.onWait = () => {
    network.online = network.waits.length > offlineTimes;
  };
  const unreachable = Array(offlineTimes + 1).fill(UNREACHABLE);
  const api = new FakeApi({ book: [UNREACHABLE, order()], find: [...unreachable, refusal("not_found")] });
  const { outcome, reports } = await run(api, { network });
  assert.deepEqual(outcome, order());
  assert.deepEqual(reports.at(0), ["offline", 1]);
  assert.deepEqual([...new Set(reports.map(([detail]) => detail))], ["offline"]);
  assert.equal(api.sent.length, 2);
});

test("offline for too long, the purchase is not sent any more", async (context) => {
  context.mock.timers.enable({ apis: ["Date"] });
  const network = new FakeNetwork();
  network.online = false;
  network.onWait = () => context.mock.timers.tick(60_000);
  const api = new FakeApi({ book: Array(50).fill(UNREACHABLE), find: Array(50).fill(UNREACHABLE) });
  const { outcome } = await run(api, { network });
  assert.deepEqual(outcome, UNREACHABLE);
  assert.equal(api.sent.length, 1);
});

test("offline, a clock that is set back delays no end", async (context) => {
  const clocks = fakeClocks(context.mock, 1_000_000_000);
  const network = new FakeNetwork();
  network.online = false;
  network.onWait = () => {
    clocks.pass(60_000);
    if (network.waits.length === 2) clocks.setBack();
  };
  const api = new FakeApi({ book: [UNREACHABLE], find: Array(100).fill(UNREACHABLE) });
  const { outcome } = await run(api, { network });
  assert.deepEqual([outcome, network.waits.length], [UNREACHABLE, 10]);
});
