import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { recall, recallName, remember } from "../../../webapp/js/remembered.js";

/** @type {Map<string, string>} */
let stored;
const AREA = {
  getItem: (/** @type {string} */ key) => stored.get(key) ?? null,
  setItem: (/** @type {string} */ key, /** @type {string} */ value) => void stored.set(key, value),
};

const refuse = () => {
  throw new DOMException("storage is blocked", "SecurityError");
};

/** @param {() => unknown} get */
const define = (get) => Object.defineProperty(globalThis, "localStorage", { get, configurable: true });

beforeEach(() => {
  stored = new Map();
  define(() => AREA);
});

test("a value is stored and recalled", () => {
  remember("name", "Ada");
  assert.deepEqual([recall("name"), recall("other"), [...stored]], ["Ada", null, [["name", "Ada"]]]);
});

test("another tab's value replaces a stored one", () => {
  remember("name", "Ada");
  stored.set("name", "Grace");
  assert.equal(recall("name"), "Grace");
});

test("while storage is blocked the page keeps its values", () => {
  define(refuse);
  assert.equal(recall("blocked"), null);
  remember("blocked", "Ada");
  assert.equal(recall("blocked"), "Ada");
  define(() => AREA);
  remember("blocked", "Grace");
  stored.clear();
  assert.equal(recall("blocked"), null);
});

test("with a full storage the page remembers the newest value", () => {
  stored.set("full", "Ada");
  define(() => ({ ...AREA, setItem: refuse }));
  remember("full", "Grace");
  assert.equal(recall("full"), "Grace");
});

test("a stored name that the API refuses is not recalled", () => {
  remember("user", "Ada");
  assert.equal(recallName("user"), "Ada");
  remember("user", "Ada\u202eX");
  assert.equal(recallName("user"), "");
  assert.equal(recallName("other"), "");
});
