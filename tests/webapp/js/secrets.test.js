import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { book, cancel, find } from "../../../webapp/js/booking_api.js";
import { parsePurchase, withKey } from "../../../webapp/js/checkout/purchase.js";
import { keepPurchase } from "../../../webapp/js/checkout/storage.js";
import { fetchSnapshot } from "../../../webapp/js/http.js";
import { KEPT_MAX, keepSecret, newSecret, SENT_MAX, secretHeaders, secretOf } from "../../../webapp/js/secrets.js";
import { KEY, ORDER, PURCHASE } from "./doubles.js";

const SECRET = "s".repeat(43);

/** Return a storage area without a browser: its entries are its properties, as in a browser. */
function area() {
  const methods = {
    getItem: (/** @type {string} */ name) => entries[name] ?? null,
    setItem: (/** @type {string} */ name, /** @type {string} */ value) => {
      entries[name] = value;
    },
    removeItem: (/** @type {string} */ name) => void delete entries[name],
  };
  /** @type {Record<string, string> & typeof methods} */
  const entries = Object.create(methods);
  return entries;
}

/** @param {string} name @param {unknown} value */
const define = (name, value) => Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });

beforeEach(() => {
  define("sessionStorage", area());
  define("localStorage", area());
});

/**
 * Let `fetch` respond with an order, and return the headers of its requests.
 * @param {import("node:test").TestContext} context
 * @param {object} [order]
 */
function sentHeaders(context, order = ORDER) {
  const fetched = context.mock.method(globalThis, "fetch", async () => Response.json(order));
  return () =>
    fetched.mock.calls.map(({ arguments: [, init] }) => new Headers(init?.headers).get("Booking-Secret") ?? "none");
}

test("secrets are hard to guess and new each time", () => {
  const secrets = new Set(Array.from({ length: 1000 }, newSecret));
  assert.equal(secrets.size, 1000);
  for (const secret of secrets) assert.match(secret, /^[A-Za-z0-9_-]{43}$/);
});

test("each request for an order has its secret, and a list has all of them", async (context) => {
  const headers = sentHeaders(context);
  keepSecret("mine", SECRET);
  keepSecret("a/b", "t".repeat(43));
  await find("mine");
  await cancel("mine", "user-1");
  await fetchSnapshot("/api/bookings/mine");
  await fetchSnapshot("/api/bookings/a%2Fb/tickets/1.svg");
  await find("other");
  await fetchSnapshot("/api/events");
  assert.deepEqual(headers(), [SECRET, SECRET, SECRET, "t".repeat(43), "none", "none"]);
  const { "Booking-Secret": all } = secretHeaders("/api/bookings?userId=u");
  assert.deepEqual(all.split(",").sort(), [SECRET, "t".repeat(43)]);
});

test("without secrets no request has the header", () => {
  assert.deepEqual(secretHeaders("/api/bookings?userId=u"), {});
  assert.deepEqual(secretHeaders("/api/bookings/mine"), {});
});

test("the browser keeps more secrets than a request can have, and forgets the oldest one at its own limit", () => {
  for (let number = 0; number < KEPT_MAX; number += 1) {
    const secret = String(number).padStart(43, "s");
    localStorage[`order-secret:order-${number}`] = JSON.stringify({ secret, keptAt: number });
  }
  keepSecret("newest", SECRET);
  assert.deepEqual([secretOf("order-0"), secretOf("order-1")], ["", "1".padStart(43, "s")]);
  const sent = secretHeaders("/api/bookings?userId=u")["Booking-Secret"].split(",");
  assert.equal(sent.length, SENT_MAX);
  assert.deepEqual(sent.slice(0, 2), [SECRET, String(KEPT_MAX - 1).padStart(43, "s")]);
});

test("a value that is no secret is ignored", () => {
  localStorage["order-secret:mine"] = "{";
  localStorage["order-secret:other"] = '{"secret": 7, "keptAt": 1}';
  localStorage["order-secret:third"] = JSON.stringify({ secret: "a,b".repeat(20), keptAt: 1 });
  assert.deepEqual(["mine", "other", "third"].map(secretOf), ["", "", ""]);
  assert.deepEqual(secretHeaders("/api/bookings?userId=u"), {});
});

test("a tab keeps the secret of its open purchase with the key", () => {
  const first = withKey(PURCHASE, null);
  assert.match(first.secret ?? "", /^[A-Za-z0-9_-]{43}$/);
  assert.equal(withKey(PURCHASE, first).secret, first.secret);
  assert.notEqual(withKey(PURCHASE, null).secret, first.secret);
  assert.deepEqual(parsePurchase(JSON.stringify(first)), first);
});

test("a purchase of an earlier release stays without a secret", async (context) => {
  const headers = sentHeaders(context);
  const purchase = withKey(PURCHASE, PURCHASE);
  assert.equal("secret" in purchase, false);
  await book(purchase);
  assert.deepEqual(headers(), ["none"]);
});

test("a purchase is sent with its secret, which the browser has before", async (context) => {
  const headers = sentHeaders(context);
  keepPurchase({ ...PURCHASE, secret: SECRET, inDoubt: true });
  assert.equal(secretOf(KEY), SECRET);
  await book({ ...PURCHASE, secret: SECRET });
  assert.deepEqual(headers(), [SECRET]);
  keepPurchase(null);
});

test("the browser keeps a secret that the API has made", async (context) => {
  sentHeaders(context, { ...ORDER, reference: KEY, bookingSecret: SECRET });
  await book(PURCHASE);
  assert.equal(secretOf(KEY), SECRET);
});

test("a secret in the purchase must be a text", () => {
  assert.equal(parsePurchase(JSON.stringify({ ...PURCHASE, secret: 7 })), null);
});
