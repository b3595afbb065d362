import assert from "node:assert/strict";
import { test } from "node:test";

import {
  announcementOf,
  applyFailure,
  applyOrder,
  deriveOrderPage,
  INITIAL_STATE,
  pollInterval,
} from "../../../../webapp/js/orders/page_view.js";
import { at, event, NOW, order } from "./examples.js";

/** @import { OrderState } from "../../../../webapp/js/orders/page_view.js" */

/** @param {Partial<OrderState>} changes */
const view = (changes) => deriveOrderPage({ ...INITIAL_STATE, event: event(), ...changes }, NOW);

test("the page is loading, found, missing or away", () => {
  assert.equal(view({}).page, "loading");
  assert.equal(view({ failed: true }).page, "away");
  assert.equal(view({ missing: true, failed: true }).page, "missing");
  const found = view({ order: order(), failed: true });
  assert.deepEqual([found.page, found.away], ["found", true]);
  assert.equal(view({ order: order() }).away, false);
  assert.equal(view({ failed: true }).away, false);
});

test("a page without a response shows the kept order until the API responds", () => {
  const kept = { order: order(), event: event(), keptAt: NOW };
  const failed = { ...INITIAL_STATE, ...applyFailure(INITIAL_STATE, kept) };
  const shown = deriveOrderPage(failed, NOW);
  assert.deepEqual([shown.page, shown.away, shown.kept_at], ["found", true, new Date(NOW).toISOString()]);
  const current = order({ status: "cancelled" });
  const answered = { ...failed, failed: false, ...applyOrder(failed, current, NOW) };
  assert.deepEqual([answered.order, deriveOrderPage(answered, NOW).kept_at], [current, ""]);
  assert.equal(applyFailure(answered, kept).order, undefined);
  assert.equal(applyFailure({ ...INITIAL_STATE, missing: true }, kept).order, undefined);
  assert.deepEqual(applyFailure(INITIAL_STATE, null), { failed: true });
});

test("a hold counts down by the server's clock", () => {
  const pending = (/** @type {number} */ seconds) =>
    view({ order: order({ status: "pending", expiresAt: at(seconds) }) });
  assert.deepEqual([pending(60).left, pending(60).hurry], [60, false]);
  assert.deepEqual([pending(59).left, pending(59).hurry], [59, true]);
  assert.deepEqual([pending(1).left, pending(1).hurry], [1, true]);
  assert.deepEqual([pending(0).left, pending(0).hurry], [0, false]);
  assert.equal(view({ order: order({ expiresAt: at(60) }) }).left, 0);
});

test("a pending order is paid on the page of the provider until the buyer comes back", () => {
  const paymentUrl = "https://pay.example/cs_1";
  const pending = order({ status: "pending", expiresAt: at(60), paymentUrl });
  assert.equal(view({ order: pending }).payment_url, paymentUrl);
  assert.equal(view({ order: pending, paid: true }).payment_url, "");
  assert.equal(view({ order: { ...pending, expiresAt: at(0) } }).payment_url, "");
  assert.equal(view({ order: order({ status: "pending", expiresAt: at(60) }) }).payment_url, "");
  assert.equal(view({ order: order({ paymentUrl }) }).payment_url, "");
});

test("a failed order can be repeated until its event begins", () => {
  const expired = order({ status: "expired" });
  assert.equal(view({ order: expired }).repeatable, true);
  assert.equal(view({ order: order({ status: "declined" }) }).repeatable, true);
  const single = order({ status: "expired", bookings: order().bookings.slice(1) });
  assert.equal(view({ order: single }).repeatable, true);
  assert.equal(view({ order: expired, event: null }).repeatable, true);
  for (const over of [event({ startsAt: at(0) }), event({ state: "ended" }), event({ state: "cancelled" })])
    assert.equal(view({ order: expired, event: over }).repeatable, false);
  assert.equal(view({ order: order({ status: "expired", refund: 200 }) }).repeatable, false);
  assert.equal(view({ order: order() }).repeatable, false);
});

test("without known tickets others are chosen anew", () => {
  const declined = view({ order: order({ status: "declined", bookings: [] }) });
  assert.deepEqual([declined.repeatable, declined.anew], [false, true]);
  assert.equal(view({ order: order({ status: "expired" }) }).anew, false);
});

test("each ticket has its seat and the path of its code", () => {
  const { tickets, seated, calendar, printed } = view({ order: order({ reference: "a/b" }) });
  assert.deepEqual(tickets[1], {
    id: 18,
    booking: 2,
    line: 2,
    tier: "VIP",
    price: 100,
    row: "A",
    seat: 8,
    code: "/api/bookings/a%2Fb/tickets/2.svg",
  });
  assert.equal(calendar, "/api/bookings/a%2Fb/calendar.ics");
  assert.equal(printed, "/api/bookings/a%2Fb/tickets.pdf");
  assert.equal(seated, true);
  const standing = order();
  const [first, second] = standing.bookings;
  const mixed = view({ order: { ...standing, bookings: [{ ...first, row: null, seat: null }, second] } });
  assert.equal(mixed.seated, true);
  const bookings = standing.bookings.map((booking) => ({ ...booking, row: null, seat: null }));
  const unseated = view({ order: { ...standing, bookings } });
  assert.deepEqual([unseated.seated, unseated.tickets[0].row, unseated.tickets[0].seat], [false, "", 0]);
});

test("a called-off event is reported", () => {
  assert.equal(view({ order: order(), event: event({ state: "cancelled" }) }).called_off, true);
  assert.equal(view({ order: order() }).called_off, false);
  assert.equal(view({ order: order(), event: event({ startsAt: at(0) }) }).begun, true);
});

test("new states and the last minute are announced", () => {
  const loading = view({});
  const calm = view({ order: order({ status: "pending", expiresAt: at(90) }) });
  const hurried = view({ order: order({ status: "pending", expiresAt: at(30) }) });
  const confirmed = view({ order: order(), announcement: "hurry" });
  assert.equal(announcementOf(loading, confirmed), "hurry");
  assert.equal(announcementOf(loading, calm), "");
  assert.equal(announcementOf(calm, hurried), "hurry");
  assert.equal(announcementOf(hurried, confirmed), "confirmed");
  assert.equal(announcementOf(confirmed, { ...confirmed, announcement: "confirmed" }), "confirmed");
});

test("an unpaid end is remembered from when it was first seen", () => {
  const expired = order({ status: "expired" });
  assert.equal(applyOrder(INITIAL_STATE, expired, NOW).endedAt, NOW);
  assert.equal(applyOrder({ ...INITIAL_STATE, endedAt: NOW - 5_000 }, expired, NOW).endedAt, NOW - 5_000);
  assert.equal(applyOrder(INITIAL_STATE, order({ status: "cancelled" }), NOW).endedAt, NOW);
  assert.equal(applyOrder(INITIAL_STATE, order({ status: "expired", refund: 200 }), NOW).endedAt, 0);
  assert.equal(applyOrder({ ...INITIAL_STATE, endedAt: NOW }, order(), NOW).endedAt, 0);
});

test("a refund is shown with its state, and read again while it is open", () => {
  const refund = { id: "r1", amount: 100, reason: "", createdAt: at(0) };
  for (const [status, state, endedAt] of /** @type {const} */ ([
    ["requested", "open", NOW],
    ["pending", "open", NOW],
    ["succeeded", "succeeded", 0],
    ["failed", "failed", 0],
  ])) {
    const refunded = order({ refunds: [{ ...refund, status }] });
    assert.deepEqual(view({ order: refunded }).refunds, [{ id: "r1", amount: 100, state }]);
    assert.equal(applyOrder(INITIAL_STATE, refunded, NOW).endedAt, endedAt);
  }
  assert.deepEqual(view({ order: order() }).refunds, []);
});

test("the poll interval depends on the state of the order", () => {
  const state = (/** @type {Partial<OrderState>} */ changes) => ({ ...INITIAL_STATE, ...changes });
  assert.equal(pollInterval(INITIAL_STATE, NOW), 2_000);
  assert.equal(pollInterval(state({ order: order({ status: "pending" }) }), NOW), 2_000);
  const expired = state({ order: order({ status: "expired" }), endedAt: NOW });
  assert.equal(pollInterval(expired, NOW + 599_999), 15_000);
  assert.equal(pollInterval(expired, NOW + 600_000), 0);
  assert.equal(pollInterval(state({ order: order() }), NOW), 0);
  // The page reads a confirmed order once more, because its e-mail may have reached nobody.
  const confirmed = state(applyOrder(INITIAL_STATE, order(), NOW));
  assert.equal(pollInterval(confirmed, NOW + 29_999), 20_000);
  assert.equal(pollInterval(state(applyOrder(confirmed, order(), NOW + 20_000)), NOW + 30_000), 0);
  const calledOff = event({ state: "cancelled" });
  assert.equal(pollInterval(state({ order: order(), event: calledOff }), NOW), 15_000);
  assert.equal(pollInterval(state({ order: order({ status: "cancelled" }), event: calledOff }), NOW), 0);
});
