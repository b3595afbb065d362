import assert from "node:assert/strict";
import { test } from "node:test";
import { book, cancel, find, findBest, outcomeOf, refusal, UNREACHABLE } from "../../../webapp/js/booking_api.js";
import { parsePurchase } from "../../../webapp/js/checkout/purchase.js";
import { KEY, MIXED, ORDER, PURCHASE, WANTED } from "./doubles.js";
import { choice } from "./event/examples.js";

/**
 * Let `fetch` give one response, and note the request.
 * @param {import("node:test").TestContext} context
 * @param {() => Response | Promise<Response>} respond
 */
function fakeFetch(context, respond) {
  const fetched = context.mock.method(globalThis, "fetch", async () => respond());
  return () => {
    const [path, init] = /** @type {[string, RequestInit]} */ (
      /** @type {unknown} */ (fetched.mock.calls[0].arguments)
    );
    return { path, method: init.method, headers: init.headers, body: init.body && JSON.parse(String(init.body)) };
  };
}

test("a booking is sent under its reference and read back", async (context) => {
  const request = fakeFetch(context, () => Response.json(ORDER, { status: 201 }));
  assert.deepEqual(await book({ ...PURCHASE, event: "a b", items: WANTED.items }), { order: ORDER });
  assert.deepEqual(request(), {
    path: "/api/bookings?event=a%20b",
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: { tier: "VIP", quantity: 2, userId: "user-1", expectedTotal: 200, bookingReference: KEY },
  });
});

test("chosen seats are sent by their ids", async (context) => {
  const request = fakeFetch(context, () => Response.json(ORDER, { status: 201 }));
  await book(PURCHASE);
  assert.deepEqual(request().body.ticketIds, [7, 8]);
});

test("an address is sent with the language for its messages", async (context) => {
  const request = fakeFetch(context, () => Response.json(ORDER, { status: 201 }));
  await book({ ...PURCHASE, email: "ann@example.org", locale: "de" });
  assert.deepEqual([request().body.email, request().body.locale], ["ann@example.org", "de"]);
});

test("several items are sent as a list", async (context) => {
  const request = fakeFetch(context, () => Response.json(ORDER, { status: 201 }));
  await book({ ...PURCHASE, items: MIXED });
  assert.deepEqual(request().body, {
    items: [
      { tier: "GA", quantity: 3 },
      { tier: "VIP", quantity: 1, ticketIds: [7] },
    ],
    userId: "user-1",
    expectedTotal: 200,
    bookingReference: KEY,
  });
});

test("a purchase that an earlier release has stored is repeated with the same body", async (context) => {
  const request = fakeFetch(context, () => Response.json(ORDER, { status: 201 }));
  const stored = {
    event: "evening",
    tier: "VIP",
    quantity: 2,
    userId: "user-1",
    ticketIds: [7, 8],
    expectedTotal: 200,
  };
  const purchase = parsePurchase(JSON.stringify({ ...stored, reference: KEY, inDoubt: true, sentAt: 5 }));
  assert.ok(purchase);
  await book(purchase);
  const { event: _, ...body } = stored;
  assert.deepEqual(request().body, { ...body, bookingReference: KEY });
});

test("the best seats and their alternatives are read in order", async (context) => {
  const [seats, ...alternatives] = [choice(1, 2), choice(3, 4)];
  const request = fakeFetch(context, () => Response.json({ seats, alternatives }));
  assert.deepEqual(await findBest("a b", "Front Row", 2), { choices: [seats, ...alternatives] });
  assert.equal(request().path, "/api/tickets/best?event=a+b&tier=Front+Row&quantity=2");
});

test("without best seats there is a reason", async (context) => {
  fakeFetch(context, () => Response.json({ code: "sold_out", available: 1 }, { status: 409 }));
  assert.deepEqual(await findBest("a", "VIP", 2), refusal("sold_out", { available: 1 }));
});

test("a standing tier has no best seats, and a lost response no reason", async (context) => {
  fakeFetch(context, () => Response.json({ seats: null, alternatives: [] }));
  assert.deepEqual(await findBest("a", "GA", 2), { choices: [] });
  context.mock.restoreAll();
  fakeFetch(context, () => Promise.reject(new TypeError("fetch failed")));
  assert.deepEqual(await findBest("a", "GA", 2), UNREACHABLE);
});

test("cancelling names the buyer", async (context) => {
  const request = fakeFetch(context, () => Response.json({ ...ORDER, status: "cancelled" }));
  const { order } = await cancel("bk/1", "user-1");
  assert.equal(order?.status, "cancelled");
  const { path, method, body } = request();
  assert.deepEqual([path, method, body], ["/api/bookings/bk%2F1/cancel", "POST", { userId: "user-1" }]);
});

test("a reference is one part of the path whatever it contains", async (context) => {
  const request = fakeFetch(context, () => Response.json({ code: "not_found" }, { status: 404 }));
  assert.deepEqual(await find("../tickets?x=1"), refusal("not_found"));
  const { path, method } = request();
  assert.deepEqual([path, method], ["/api/bookings/..%2Ftickets%3Fx%3D1", undefined]);
});

test("the wait comes from a header", async (context) => {
  fakeFetch(context, () => Response.json({ code: "busy" }, { status: 503, headers: { "Retry-After": "3" } }));
  assert.deepEqual(await book(PURCHASE), refusal("busy", { retryAfterS: 3 }));
});

for (const error of [new TypeError("fetch failed"), new DOMException("timeout", "TimeoutError")])
  test(`without a response the outcome is unknown: ${error.name}`, async (context) => {
    fakeFetch(context, () => Promise.reject(error));
    assert.deepEqual(await book(PURCHASE), UNREACHABLE);
  });

test("a response that is not JSON leaves the outcome unknown", async (context) => {
  fakeFetch(context, () => new Response("<html>Bad gateway</html>", { status: 502 }));
  assert.deepEqual(await book(PURCHASE), UNREACHABLE);
});

for (const [status, body, retryAfter, outcome] of /** @type {const} */ ([
  [402, { code: "payment_declined" }, null, refusal("declined")],
  [409, { code: "sold_out", available: 3 }, null, refusal("sold_out", { available: 3 })],
  [409, { code: "all_held" }, "75", refusal("all_held", { retryAfterS: 75 })],
  [429, { code: "rate_limited" }, "42", refusal("rate_limited", { retryAfterS: 42 })],
  [503, { code: "busy" }, "1", refusal("busy", { retryAfterS: 1 })],
  [404, { code: "unknown_tier" }, null, refusal("refused")],
  [404, { code: "not_found" }, null, refusal("not_found")],
  [409, { code: "not_on_sale" }, null, refusal("not_on_sale")],
  [409, { code: "seat_taken", ticketIds: [17, 18] }, null, refusal("seat_taken", { ticketIds: [17, 18] })],
  [409, { code: "sold_out", available: 0, item: 1 }, null, refusal("sold_out", { item: 1 })],
  [409, { code: "sold_out", available: 0, item: "VIP" }, null, refusal("sold_out")],
  [400, { code: "invalid_request", errors: [{ field: "items[1].tier" }] }, null, refusal("invalid", { item: 1 })],
  [400, { code: "invalid_request", errors: [{ field: "userId" }] }, null, refusal("invalid")],
  [409, { code: "price_changed", total: 210.5 }, null, refusal("price_changed", { total: 210.5 })],
  [409, { code: "price_changed", total: 0 }, null, refusal("price_changed", { total: 0 })],
  [409, { code: "buyer_limit", remaining: 2, item: 0 }, null, refusal("buyer_limit", { available: 2, item: 0 })],
  [403, { code: "forbidden" }, null, refusal("refused")],
  [409, { code: "not_cancellable" }, null, refusal("not_cancellable")],
  [422, { code: "key_reused" }, null, refusal("key_reused")],
  [400, { code: "invalid_request" }, null, refusal("invalid")],
  // A date or nonsense in the header means "unknown".
  [503, { code: "busy" }, "Wed, 21 Oct 2026 07:28:00 GMT", refusal("busy")],
  [429, { code: "rate_limited" }, "99999", refusal("rate_limited", { retryAfterS: 300 })],
]))
  test(`status ${status}, ${body.code}, Retry-After ${retryAfter}`, () => {
    assert.deepEqual(outcomeOf(status, retryAfter, body), outcome);
  });

for (const [rateLimit, limit] of /** @type {const} */ ([
  ['"bookings";r=0;t=42', "bookings"],
  ['"held";r=0;t=300', "held"],
  ["r=0", ""],
  [null, ""],
]))
  test(`the header RateLimit ${rateLimit} names the limit`, () => {
    const outcome = outcomeOf(429, "42", { code: "rate_limited" }, rateLimit);
    assert.deepEqual(outcome, refusal("rate_limited", { retryAfterS: 42, limit }));
  });

for (const [status, body] of [
  [500, { detail: "no code" }],
  [500, { code: "internal_error" }],
  [503, { code: "busy", unknown: true }],
  [504, { code: "of_some_proxy" }],
  [502, null],
  [201, { success: true }],
  [201, []],
  [201, { ...ORDER, bookings: [] }],
])
  test(`unknown outcome: status ${status}, ${JSON.stringify(body)}`, () => {
    assert.equal(outcomeOf(/** @type {number} */ (status), null, body).problem?.kind, "unreachable");
  });

test("an order that was declined at once has no tickets", () => {
  const declined = { ...ORDER, status: "declined", bookings: [] };
  assert.deepEqual(outcomeOf(200, null, declined), { order: declined });
});
