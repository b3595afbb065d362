import assert from "node:assert/strict";
import { test } from "node:test";

import { createStore, share } from "../../../webapp/js/store.js";

test("a changed value calls the listeners until they unsubscribe", () => {
  const store = createStore({ count: 0 });
  let calls = 0;
  const unsubscribe = store.subscribe(() => calls++);
  store.set({ count: 1 });
  assert.deepEqual(store.get(), { count: 1 });
  assert.equal(calls, 1);
  unsubscribe();
  store.set({ count: 2 });
  assert.deepEqual(store.get(), { count: 2 });
  assert.equal(calls, 1);
});

test("an equal value keeps its identity and calls nobody", () => {
  const first = { tiers: [{ name: "VIP", left: 2 }], seats: new Map() };
  const store = createStore(first);
  store.subscribe(() => assert.fail("nothing has changed"));
  store.set({ tiers: [{ name: "VIP", left: 2 }], seats: first.seats });
  assert.equal(store.get(), first);
});

test("the unchanged parts of a changed value keep their identity", () => {
  const last = { tiers: [{ name: "VIP" }, { name: "GA" }], event: { slug: "a" } };
  const next = share(last, { tiers: [{ name: "VIP" }, { name: "Balcony" }], event: { slug: "a" } });
  assert.deepEqual(next, { tiers: [{ name: "VIP" }, { name: "Balcony" }], event: { slug: "a" } });
  assert.notEqual(next.tiers, last.tiers);
  assert.equal(next.tiers[0], last.tiers[0]);
  assert.equal(next.event, last.event);
});

test("values of different length, fields or kind differ", () => {
  for (const [last, next] of /** @type {[unknown, unknown][]} */ ([
    [[1, 2], [1]],
    [[1], [1, 2]],
    [{ a: 1 }, { a: 1, b: 2 }],
    [{ a: 1, b: 2 }, { a: 1 }],
    [{ a: undefined }, { b: undefined }],
    [{}, []],
    [[], {}],
    [null, {}],
    [{}, null],
    [0, ""],
  ])) {
    const shared = share(last, next);
    assert.deepEqual(shared, next);
    assert.notEqual(shared, last);
  }
});

test("maps are compared by identity alone", () => {
  const next = new Map([[1, "a"]]);
  assert.equal(share(new Map([[1, "a"]]), next), next);
});
