import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { adoptPurchase, keepPurchase, openPurchase } from "../../../../webapp/js/checkout/storage.js";
import { area } from "../browser_storage.js";
import { KEY, PURCHASE } from "../doubles.js";

const IN_DOUBT = { ...PURCHASE, inDoubt: true };
const OTHER = { ...IN_DOUBT, reference: `bk_${"o".repeat(26)}` };
const COPY = `purchase-in-doubt:${KEY}`;

/** @type {Map<string, unknown>} */
let locks;

beforeEach(() => {
  keepPurchase(null);
  locks = new Map();
  /** @param {string} name @param {unknown} _options @param {() => Promise<unknown>} use */
  const request = async (name, _options, use) => {
    locks.set(name, true);
    await use();
    locks.delete(name);
  };
  const query = async () => ({ held: [...locks.keys()].map((name) => ({ name })) });
  define("sessionStorage", area());
  define("localStorage", area());
  define("navigator", { locks: { request, query } });
});

/** @param {string} name @param {unknown} value */
const define = (name, value) => Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });

const copies = () => Object.keys(localStorage);

test("the tab keeps its purchase until its key is spent", () => {
  keepPurchase(PURCHASE);
  assert.deepEqual(openPurchase(), PURCHASE);
  assert.deepEqual(copies(), []);
  keepPurchase(null);
  assert.equal(openPurchase(), null);
});

test("a purchase in doubt has a copy and a lock", async () => {
  keepPurchase(IN_DOUBT);
  assert.deepEqual([copies(), [...locks.keys()]], [[COPY], [COPY]]);
  keepPurchase({ ...IN_DOUBT, sentAt: 7 });
  assert.equal(JSON.parse(localStorage[COPY]).sentAt, 7);
  keepPurchase(PURCHASE);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([copies(), [...locks.keys()], openPurchase()], [[], [], PURCHASE]);
});

test("a new tab adopts the purchase in doubt of a tab that is gone", async () => {
  localStorage.setItem(COPY, JSON.stringify(IN_DOUBT));
  await adoptPurchase();
  assert.deepEqual(openPurchase(), IN_DOUBT);
  assert.ok(locks.has(COPY));
});

test("a live tab keeps its own purchase", async () => {
  localStorage.setItem(COPY, JSON.stringify(IN_DOUBT));
  locks.set(COPY, true);
  await adoptPurchase();
  assert.equal(openPurchase(), null);
});

test("a tab with a purchase in doubt of its own adopts none", async () => {
  localStorage.setItem(COPY, JSON.stringify(IN_DOUBT));
  keepPurchase(OTHER);
  await adoptPurchase();
  assert.deepEqual(openPurchase(), OTHER);
});

test("a copy that is no purchase is removed", async () => {
  localStorage.setItem(COPY, '{"reference": "../../x"}');
  await adoptPurchase();
  assert.deepEqual([openPurchase(), copies()], [null, []]);
});

test("without locks a second tab shares the purchase in doubt", async () => {
  define("navigator", {});
  localStorage.setItem(COPY, JSON.stringify(IN_DOUBT));
  await adoptPurchase();
  assert.deepEqual(openPurchase(), IN_DOUBT);
});

test("without browser storage the page remembers its purchase", async () => {
  const refuse = () => {
    throw new DOMException("storage is full", "QuotaExceededError");
  };
  for (const name of ["sessionStorage", "localStorage"])
    define(name, { getItem: refuse, setItem: refuse, removeItem: refuse });
  keepPurchase(IN_DOUBT);
  assert.deepEqual(openPurchase(), IN_DOUBT);
  await adoptPurchase();
  keepPurchase(null);
  assert.equal(openPurchase(), null);
});

test("refused locks let every tab adopt a purchase in doubt", async () => {
  const refuse = async () => {
    throw new DOMException("locks are blocked", "SecurityError");
  };
  define("navigator", { locks: { request: refuse, query: refuse } });
  localStorage.setItem(COPY, JSON.stringify(IN_DOUBT));
  await adoptPurchase();
  // An unhandled rejection of the request fails this test.
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([openPurchase(), copies()], [IN_DOUBT, [COPY]]);
});
