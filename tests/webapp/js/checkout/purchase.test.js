import assert from "node:assert/strict";
import { test } from "node:test";

import {
  concernedIndex,
  countsOf,
  isFaultOf,
  newKey,
  parsePurchase,
  readForm,
  wantedAgain,
  wantsTheSame,
  withKey,
} from "../../../../webapp/js/checkout/purchase.js";
import { KEY, MIXED, PURCHASE } from "../doubles.js";

const ITEMS = [{ tier: "VIP", quantity: 1, ticketIds: [] }];
const FORM = { event: "evening", items: JSON.stringify(ITEMS), user_id: "user-1", total: "100" };

/** @param {unknown} items */
const formWith = (items) => ({ ...FORM, items: JSON.stringify(items) });

test("keys are hard to guess and new each time", () => {
  const keys = new Set(Array.from({ length: 1000 }, newKey));
  assert.equal(keys.size, 1000);
  for (const key of keys) assert.match(key, /^bk_[a-z2-7]{26}$/);
});

test("a form makes a purchase", () => {
  const items = [
    { tier: "Front Row", quantity: 3, ticketIds: [] },
    { tier: "VIP", quantity: 2, ticketIds: [8, 9] },
  ];
  const wanted = { event: "evening", items, userId: "user-1", expectedTotal: 100 };
  assert.deepEqual(readForm({ ...formWith(items), user_id: " user-1 ", email: " " }, "de"), { wanted });
});

for (const [form, fault] of /** @type {[Record<string, string>, string][]} */ ([
  [{}, "tickets_missing"],
  [formWith([]), "tickets_missing"],
  [formWith([{ ...ITEMS[0], tier: "" }]), "tickets_missing"],
  [formWith([{ ...ITEMS[0], quantity: 0 }]), "tickets_missing"],
  [formWith([{ ...ITEMS[0], quantity: -3 }]), "tickets_missing"],
  [formWith([{ ...ITEMS[0], quantity: "two" }]), "tickets_missing"],
  [formWith([{ ...ITEMS[0], quantity: [1] }]), "tickets_missing"],
  [formWith([...ITEMS, null]), "tickets_missing"],
  [{ ...FORM, user_id: "  " }, "user_missing"],
  [{ ...FORM, user_id: "\u200b" }, "user_missing"],
  [{ ...FORM, user_id: "Sam\u202eX" }, "user_invalid"],
  [{ ...FORM, user_id: "u".repeat(129) }, "user_too_long"],
  [{ ...FORM, email: "ann@" }, "email_invalid"],
  [{ ...FORM, total: "" }, "total_missing"],
  [{ ...FORM, total: "-1" }, "total_missing"],
  [{ ...FORM, total: "much" }, "total_missing"],
  [{ ...FORM, total: "Infinity" }, "total_missing"],
]))
  test(`fault of a form: ${JSON.stringify(form).slice(0, 50)}`, () => {
    assert.deepEqual(readForm(form, "en"), { fault });
  });

test("the language is that of messages to an address", () => {
  const read = readForm({ ...FORM, email: " ann@example.org " }, "ar");
  assert.ok("wanted" in read);
  const { email, locale } = read.wanted;
  assert.deepEqual([email, locale], ["ann@example.org", "ar"]);
});

test("a fault is about one field", () => {
  assert.ok(isFaultOf("user_id", "user_too_long") && isFaultOf("email", "email_invalid"));
  assert.ok(!isFaultOf("user_id", "email_invalid") && !isFaultOf("items", "tickets_missing"));
});

test("the tickets of an order are wanted again, with the present address", () => {
  const lines = [
    { tier: "VIP", ticketId: 7, userId: "user-1" },
    { tier: "GA", ticketId: 9, userId: "user-1" },
  ];
  const items = [
    { tier: "VIP", quantity: 1, ticketIds: [7] },
    { tier: "GA", quantity: 1, ticketIds: [9] },
  ];
  const wanted = { event: "evening", items, userId: "user-1", expectedTotal: 110 };
  const order = { reference: KEY, status: "declined", event: "evening", total: 110, bookings: lines };
  assert.deepEqual(wantedAgain(order, undefined, {}), wanted);
  const contact = { email: "ann@example.org", locale: /** @type {const} */ ("de") };
  assert.deepEqual(wantedAgain(order, 120, contact), { ...wanted, ...contact, expectedTotal: 120 });
});

test("a tab keeps the key of its open purchase", () => {
  assert.match(withKey(PURCHASE, null).reference, /^bk_[a-z2-7]{26}$/);
  assert.equal(withKey(PURCHASE, null).inDoubt, false);
  const next = withKey({ ...PURCHASE, items: ITEMS }, { ...PURCHASE, inDoubt: true, sentAt: 5 });
  assert.deepEqual(next, { ...PURCHASE, items: ITEMS, reference: KEY, inDoubt: true, sentAt: 5 });
});

test("equal purchases are the same under different keys", () => {
  const again = { ...PURCHASE, reference: newKey(), inDoubt: true, sentAt: 1 };
  assert.ok(wantsTheSame(PURCHASE, again));
  assert.ok(!wantsTheSame(PURCHASE, { ...again, items: [{ ...again.items[0], ticketIds: [7, 9] }] }));
  assert.ok(!wantsTheSame(PURCHASE, { ...again, event: "other" }));
  assert.ok(!wantsTheSame(PURCHASE, { ...again, expectedTotal: 210 }));
  assert.ok(!wantsTheSame(PURCHASE, { ...again, email: "ann@example.org", locale: "en" }));
});

test("a purchase survives the browser's storage", () => {
  assert.deepEqual(parsePurchase(JSON.stringify(PURCHASE)), PURCHASE);
  const free = { ...PURCHASE, expectedTotal: 0 };
  assert.deepEqual(parsePurchase(JSON.stringify(free)), free);
  // An earlier release stored no total. A repetition must not send one either.
  const { expectedTotal: _, ...earlier } = PURCHASE;
  assert.deepEqual(parsePurchase(JSON.stringify(earlier)), earlier);
  const announced = { ...PURCHASE, email: "ann@example.org", locale: "ar" };
  assert.deepEqual(parsePurchase(JSON.stringify(announced)), announced);
  const mixed = { ...PURCHASE, items: MIXED };
  assert.deepEqual(parsePurchase(JSON.stringify(mixed)), mixed);
});

test("a purchase that an earlier release has stored has one item", () => {
  const { items, ...others } = PURCHASE;
  const earlier = parsePurchase(JSON.stringify({ ...others, ...items[0] }));
  assert.deepEqual(earlier, PURCHASE);
  assert.ok(earlier && wantsTheSame(earlier, PURCHASE));
});

test("two choices of the same tickets differ in seats and in the order of their items", () => {
  const seats = [MIXED[1], { ...MIXED[0], quantity: 2 }, { ...MIXED[0], quantity: 1, ticketIds: [9] }];
  assert.equal(countsOf(seats), countsOf(MIXED));
  assert.notEqual(countsOf([...MIXED, ...MIXED]), countsOf(MIXED));
});

test("an outcome is about the item that the API names, or about the only one", () => {
  assert.deepEqual([concernedIndex(MIXED, 1), concernedIndex(MIXED, -1), concernedIndex(MIXED, 2)], [1, -1, -1]);
  assert.deepEqual([concernedIndex(ITEMS, -1), concernedIndex(ITEMS, 0)], [0, 0]);
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
