import assert from "node:assert/strict";
import { test } from "node:test";

import { requestMail } from "../../../webapp/js/orders/mail_request.js";
import { keepSecret } from "../../../webapp/js/secrets.js";

const BODY = { email: "ann@example.org", locale: /** @type {const} */ ("de") };

test("the link to one order is requested with its secret, and those to all orders without one", async (context) => {
  keepSecret("bk:1", "s".repeat(43));
  const fetched = context.mock.method(globalThis, "fetch", async () => new Response("{}", { status: 202 }));
  assert.deepEqual([await requestMail("bk:1", BODY), await requestMail("", BODY)], ["sent", "sent"]);
  const requests = fetched.mock.calls.map(({ arguments: [path, init] }) => {
    const { method, headers, body } = /** @type {any} */ (init);
    return [String(path), method, headers["Booking-Secret"], JSON.parse(body)];
  });
  assert.deepEqual(requests, [
    ["/api/bookings/bk%3A1/email", "POST", "s".repeat(43), BODY],
    ["/api/links", "POST", undefined, BODY],
  ]);
});

for (const [status, outcome] of /** @type {const} */ ([
  [429, "limited"],
  [404, "failed"],
  [503, "failed"],
]))
  test(`a response with ${status} means ${outcome}`, async (context) => {
    context.mock.method(globalThis, "fetch", async () => new Response("{}", { status }));
    assert.equal(await requestMail("", BODY), outcome);
  });

test("a request without a response has failed", async (context) => {
  context.mock.method(globalThis, "fetch", async () => {
    throw new TypeError("no network");
  });
  assert.equal(await requestMail("", BODY), "failed");
});
