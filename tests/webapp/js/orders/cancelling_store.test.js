import assert from "node:assert/strict";
import { test } from "node:test";

import { UNREACHABLE } from "../../../../webapp/js/booking_api.js";
import { CancellingStore } from "../../../../webapp/js/orders/cancelling_store.js";
import { isOwnTicket } from "../../../../webapp/js/own_tickets.js";
import { sharedArea } from "../../../../webapp/js/remembered.js";
import { FakeApi, FakeNetwork, fakeClocks, order, refusal } from "../doubles.js";

const CANCELLED = order({ status: "cancelled" });

/** @param {ConstructorParameters<typeof FakeApi>[0]["cancel"]} outcomes */
function tab(outcomes) {
  const api = new FakeApi({ cancel: outcomes });
  const network = new FakeNetwork();
  const cancelling = new CancellingStore(api, network);
  cancelling.arrive("/bookings");
  return { api, network, cancelling, phase: () => cancelling.view.get().phase };
}

test("cancelling names the buyer", async () => {
  const { api, cancelling, phase } = tab([CANCELLED]);
  let outcomes = 0;
  cancelling.onOutcome(() => {
    outcomes += 1;
  });
  await cancelling.cancel("bk_1", "user-1");
  assert.deepEqual([api.requests, api.canceller], [[["cancel", "bk_1"]], "user-1"]);
  assert.deepEqual([phase(), cancelling.view.get().reference, outcomes], ["done", "bk_1", 1]);
});

test("returning a ticket names it, and keeps the order's other tickets", async () => {
  const { api, cancelling, phase } = tab([order({ status: "confirmed" })]);
  sharedArea.set("order-tickets:bk_1", JSON.stringify({ ticketIds: [1, 2], until: Date.now() + 60_000 }));
  assert.ok(cancelling.openDialog("bk_1", 7));
  assert.equal(cancelling.view.get().dialogTicket, 7);
  await cancelling.cancel("bk_1", "user-1", 7);
  assert.deepEqual([api.requests, api.canceller, api.returned], [[["cancel", "bk_1"]], "user-1", [7]]);
  assert.deepEqual([phase(), cancelling.view.get().ticket], ["done", 7]);
  assert.equal(isOwnTicket(2), true);
  assert.ok(cancelling.openDialog("bk_1"));
  assert.equal(cancelling.view.get().dialogTicket, 0);
});

for (const kind of /** @type {const} */ (["not_cancellable", "busy", "rate_limited", "refused"]))
  test(`a refusal to cancel is shown until another page: ${kind}`, async () => {
    const { api, cancelling, phase } = tab([refusal(kind)]);
    await cancelling.cancel("bk_1", "user-1");
    assert.deepEqual([phase(), api.requests.length], [kind, 1]);
    cancelling.arrive("/bookings");
    assert.equal(phase(), kind);
    cancelling.arrive("/booking/bk_1");
    assert.equal(phase(), "idle");
  });

test("a request without a response is repeated", async () => {
  const { cancelling, network, phase } = tab([UNREACHABLE, UNREACHABLE, CANCELLED]);
  await cancelling.cancel("bk_1", "user-1");
  assert.deepEqual([phase(), network.waits], ["done", [1_000, 2_000]]);
});

test("an API that stays silent is given up", async () => {
  const { api, cancelling, phase } = tab([UNREACHABLE, UNREACHABLE, UNREACHABLE, CANCELLED]);
  await cancelling.cancel("bk_1", "user-1");
  assert.deepEqual([phase(), api.requests.length], ["unreachable", 3]);
});

test("offline, the request waits for the network", async () => {
  const { cancelling, network, phase } = tab([UNREACHABLE, UNREACHABLE, CANCELLED]);
  network.online = false;
  /** @type {string[]} */
  const phases = [];
  network.onWait = () => {
    phases.push(phase());
    network.online = network.waits.length > 1;
  };
  await cancelling.cancel("bk_1", "user-1");
  assert.deepEqual(phases, ["offline", "offline"]);
  assert.equal(phase(), "done");
});

test("after a long time offline the request has all its tries", async (context) => {
  context.mock.timers.enable({ apis: ["Date"] });
  const { api, cancelling, network, phase } = tab([UNREACHABLE, UNREACHABLE, UNREACHABLE, CANCELLED]);
  network.online = false;
  network.onWait = () => {
    if (!network.online) context.mock.timers.tick(60_000);
    network.online = true;
  };
  await cancelling.cancel("bk_1", "user-1");
  assert.deepEqual([phase(), api.requests.length], ["done", 4]);
});

test("while a request is sent, clicks and pages change nothing", async () => {
  /** @type {(outcome: typeof CANCELLED) => void} */
  let respond = () => {};
  const { api, cancelling, phase } = tab([new Promise((resolve) => (respond = resolve))]);
  assert.ok(cancelling.openDialog("bk_1"));
  const first = cancelling.cancel("bk_1", "user-1");
  assert.ok(!cancelling.openDialog("bk_2"));
  await cancelling.cancel("bk_2", "user-1");
  cancelling.arrive("/booking/bk_1");
  const { dialogReference, reference } = cancelling.view.get();
  assert.deepEqual([phase(), dialogReference, reference], ["sending", "bk_1", "bk_1"]);
  respond(CANCELLED);
  await first;
  assert.deepEqual([phase(), api.requests.length], ["done", 1]);
});

test("a click while the first waits for the network replaces it", async () => {
  const { cancelling, network, phase } = tab([UNREACHABLE, CANCELLED, refusal("not_cancellable")]);
  network.online = false;
  /** @type {() => void} */
  let comeBack = () => {};
  network.untilOnline = () => new Promise((resolve) => (comeBack = () => resolve(undefined)));
  /** @type {string[]} */
  const ended = [];
  cancelling.onOutcome((reference) => ended.push(reference));
  const first = cancelling.cancel("bk_1", "user-1");
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(phase(), "offline");
  await cancelling.cancel("bk_2", "user-1");
  assert.deepEqual([phase(), cancelling.view.get().reference], ["done", "bk_2"]);
  comeBack();
  await first;
  // The outcome of the first is not shown for the second, but pages read both orders again.
  assert.deepEqual([phase(), cancelling.view.get().reference], ["done", "bk_2"]);
  assert.deepEqual(ended, ["bk_2", "bk_1"]);
});

test("offline, a cancellation ends although the clock is set back", async (context) => {
  const clocks = fakeClocks(context.mock, 1_000_000_000);
  const { network, cancelling, phase } = tab(Array(100).fill(UNREACHABLE));
  network.online = false;
  network.onWait = () => {
    clocks.pass(60_000);
    if (network.waits.length === 2) clocks.setBack();
  };
  await cancelling.cancel("bk_1", "user-1");
  assert.equal(phase(), "unreachable");
  assert.ok(network.waits.length < 15, String(network.waits.length));
});
