import assert from "node:assert/strict";
import { test } from "node:test";

import { newKey, parsePurchase, readForm, wantsTheSame, withKey } from "../../../../webapp/js/checkout/purchase.js";
import { KEY, PURCHASE } from "../doubles.js";

const FORM = { event: "evening", tier: "VIP", quantity: "1", user_id: "user-1", ticket_ids: "", total: "100" };

test("keys are hard to guess and new each time", () => {
  const keys = new Set(Array.from({ length: 1000 }, newKey));
  assert.equal(keys.size, 1000);
  for (const key of keys) assert.match(key, /^bk_[a-z2-7]{26}$/);
});

test("a form makes a purchase", () => {
  const form = { ...FORM, tier: "Front Row", quantity: "3", user_id: " user-1 " };
  const wanted = {
    event: "evening",
    tier: "Front Row",
    quantity: 3,
    userId: "user-1",
    ticketIds: [],
    expectedTotal: 100,
  };
  assert.deepEqual(readForm(form), { wanted });
});

test("chosen seats decide the number of tickets", () => {
  const wanted = {
    event: "evening",
    tier: "VIP",
    quantity: 2,
    userId: "user-1",
    ticketIds: [8, 9],
    expectedTotal: 100,
  };
  assert.deepEqual(readForm({ ...FORM, ticket_ids: "8,9" }), { wanted });
});

for (const [form, fault] of /** @type {[Record<string, string>, string][]} */ ([
  [{}, "tier_missing"],
  [{ ...FORM, user_id: "  " }, "user_missing"],
  [{ ...FORM, user_id: "\u200b" }, "user_missing"],
  [{ ...FORM, user_id: "Sam\u202eX" }, "user_invalid"],
  [{ ...FORM, user_id: "u".repeat(129) }, "user_too_long"],
  [{ ...FORM, quantity: "0" }, "quantity_missing"],
  [{ ...FORM, quantity: "-3" }, "quantity_missing"],
  [{ ...FORM, quantity: "two" }, "quantity_missing"],
  [{ ...FORM, quantity: "[1]" }, "quantity_missing"],
  [{ ...FORM, total: "" }, "total_missing"],
  [{ ...FORM, total: "-1" }, "total_missing"],
  [{ ...FORM, total: "much" }, "total_missing"],
  [{ ...FORM, total: "Infinity" }, "total_missing"],
]))
  test(`fault of a form: ${JSON.stringify(form).slice(0, 50)}`, () => {
    assert.deepEqual(readForm(form), { fault });
  });

test("a tab keeps the key of its open purchase", () => {
  assert.match(withKey(PURCHASE, null).reference, /^bk_[a-z2-7]{26}$/);
  assert.equal(withKey(PURCHASE, null).inDoubt, false);
  const next = withKey({ ...PURCHASE, tier: "GA" }, { ...PURCHASE, inDoubt: true, sentAt: 5 });
  assert.deepEqual(next, { ...PURCHASE, tier: "GA", reference: KEY, inDoubt: true, sentAt: 5 });
});

test("equal purchases are the same under different keys", () => {
  const again = { ...PURCHASE, reference: newKey(), inDoubt: true, sentAt: 1 };
  assert.ok(wantsTheSame(PURCHASE, again));
  assert.ok(!wantsTheSame(PURCHASE, { ...again, ticketIds: [7, 9] }));
  assert.ok(!wantsTheSame(PURCHASE, { ...again, event: "other" }));
  assert.ok(!wantsTheSame(PURCHASE, { ...again, expectedTotal: 210 }));
});

test("a purchase survives the browser's storage", () => {
  assert.deepEqual(parsePurchase(JSON.stringify(PURCHASE)), PURCHASE);
  const free = { ...PURCHASE, expectedTotal: 0 };
  assert.deepEqual(parsePurchase(JSON.stringify(free)), free);
  // An earlier release stored no total. A repetition must not send one either.
  const { expectedTotal: _, ...earlier } = PURCHASE;
  assert.deepEqual(parsePurchase(JSON.stringify(earlier)), earlier);
});

for (const text of [null, "", "{", "[]", "null", '"x"', "{}"])
  test(`no purchase: ${text}`, () => {
    assert.equal(parsePurchase(text), null);
  });

for (const [stored, changed] of [
  ["bk_", "../"],
  ['"quantity":2', '"quantity":"many"'],
  ['"quantity":2', '"quantity":2.5'],
  ["[7,8]", '["seat"]'],
  ["[7,8]", "7"],
  ['"inDoubt":false', '"inDoubt":0'],
  ['"event":"evening"', '"event":null'],
  ['"expectedTotal":200', '"expectedTotal":"200"'],
  ['"expectedTotal":200', '"expectedTotal":-1'],
  ['"expectedTotal":200', '"expectedTotal":null'],
])
  test(`a purchase that was changed to ${changed} is none`, () => {
    const text = JSON.stringify(PURCHASE);
    assert.ok(text.includes(stored));
    assert.equal(parsePurchase(text.replace(stored, changed)), null);
  });
