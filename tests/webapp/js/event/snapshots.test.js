import assert from "node:assert/strict";
import { test } from "node:test";

import { filled } from "../../../../webapp/js/event/basket.js";
import { applyCounts, applyStates } from "../../../../webapp/js/event/snapshots.js";
import { INITIAL_STATE } from "../../../../webapp/js/event/state.js";
import { at, counts, loaded, NOW, rows, seats } from "./examples.js";

/** @import { EventState } from "../../../../webapp/js/event/state.js" */

const TIMES = { now: NOW, serverNow: NOW };

/**
 * Apply the seats' states of a moment after the page was loaded.
 * @param {EventState} state
 * @param {string} letters
 * @param {{ mayLosePicks?: boolean }} [options]
 */
const withStates = (state, letters, { mayLosePicks = true } = {}) => ({
  ...state,
  ...applyStates(
    state,
    { body: { tiers: { VIP: { held: 1, heldUntil: null } }, rows: rows(letters) }, asOf: at(1) },
    { ...TIMES, mayLosePicks },
  ),
});

test("the first counts choose the cheapest tier with available tickets", () => {
  const choose = (/** @type {ReturnType<typeof counts>} */ body) =>
    applyCounts(INITIAL_STATE, { body, asOf: at(0) }, TIMES).tier;
  assert.equal(choose(counts(6, 6, 100)), "GA");
  assert.equal(choose(counts(6, 1, 0)), "Front Row");
  assert.equal(choose(counts(1, 0, 0)), "VIP");
  assert.equal(choose(counts(0, 0, 0)), "GA");
  // The first one of equal prices is chosen.
  const equal = counts(6, 6, 100);
  equal["Front Row"].price = equal.GA.price;
  assert.equal(choose(equal), "Front Row");
  // A chosen tier stays, even without tickets.
  assert.equal(applyCounts(loaded(), { body: counts(0, 6, 100), asOf: at(1) }, TIMES).tier, "VIP");
  assert.equal(applyCounts(loaded({ tier: "Balcony" }), { body: counts(6, 6, 100), asOf: at(1) }, TIMES).tier, "GA");
});

test("a tier is empty since the first counts without an available ticket", () => {
  const state = loaded({ emptySince: { VIP: at(-5), GA: at(-5) } });
  const { emptySince } = applyCounts(state, { body: counts(0, 0, 1), asOf: at(1) }, TIMES);
  assert.deepEqual(emptySince, { VIP: at(-5), "Front Row": at(1) });
});

test("a tier may have the name of an object's own member", () => {
  const { emptySince } = applyCounts(
    loaded(),
    { body: { constructor: { available: 0, total: 5, price: 10 } }, asOf: at(1) },
    TIMES,
  );
  assert.equal(emptySince?.constructor, at(1));
});

test("data is as old as the server's clock says", () => {
  const later = { now: NOW + 700_000, serverNow: NOW + 5_000 };
  assert.equal(
    applyCounts(loaded(), { body: counts(6, 6, 100), asOf: at(3) }, later).countsFreshAt,
    NOW + 700_000 - 2_000,
  );
  // A response from the future and a response without a time are current.
  assert.equal(applyCounts(loaded(), { body: counts(6, 6, 100), asOf: at(9) }, later).countsFreshAt, later.now);
  assert.equal(applyCounts(loaded(), { body: counts(6, 6, 100), asOf: "" }, later).countsFreshAt, later.now);
});

test("a repeated response does not get fresher", () => {
  const state = loaded({ countsFreshAt: NOW - 9_000, statesFreshAt: NOW - 8_000 });
  assert.equal(applyCounts(state, { body: counts(6, 6, 100), asOf: at(0) }, TIMES).countsFreshAt, NOW - 9_000);
  const states = applyStates(
    state,
    { body: { tiers: {}, rows: rows() }, asOf: at(0) },
    { ...TIMES, mayLosePicks: true },
  );
  assert.equal(states.statesFreshAt, NOW - 8_000);
});

test("the same seats keep their layout, other seats get a new one", () => {
  const state = loaded();
  assert.equal(withStates(state, "aaasssaaaaaa").layout, state.layout);
  const fewer = applyStates(
    state,
    { body: { tiers: {}, rows: rows().slice(1) }, asOf: at(1) },
    { ...TIMES, mayLosePicks: true },
  );
  assert.equal(fewer.layout.rows.length, 2);
  assert.equal(fewer.focused, 4);
  const without = applyStates(state, { body: { tiers: {}, rows: [] }, asOf: at(1) }, { ...TIMES, mayLosePicks: true });
  assert.deepEqual([without.layout.rows, without.focused], [[], 0]);
});

test("picked seats that others take are lost", () => {
  const state = loaded({ picks: [2, 3, 4] });
  const next = withStates(state, "ashaaaaaaaaa");
  assert.deepEqual(next.picks, [4]);
  assert.deepEqual(
    next.lost.map(({ id }) => id),
    [2, 3],
  );
  // They add to those that were lost before.
  const again = withStates({ ...next, lost: seats(state, 1) }, "assssaaaaaaa");
  assert.deepEqual(
    again.lost.map(({ id }) => id),
    [1, 4],
  );
});

test("picks that are being booked are not lost", () => {
  const next = withStates(loaded({ picks: [2] }), "asaaaaaaaaaa", { mayLosePicks: false });
  assert.deepEqual([next.picks, next.lost], [[2], []]);
});

test("seats from the address choose their tier", () => {
  assert.equal(withStates(loaded({ picks: [8], statesAsOf: "" }), "a".repeat(12)).tier, "Front Row");
  // Later the tier is the one that the visitor has changed last.
  assert.equal(withStates(loaded({ picks: [8] }), "a".repeat(12)).tier, "VIP");
  assert.equal(withStates(loaded({ picks: [] }), "a".repeat(12)).tier, "VIP");
});

test("the first seat is in the tab order until another has the focus", () => {
  assert.equal(withStates(loaded(), "a".repeat(12)).focused, 1);
  assert.equal(withStates(loaded({ focused: 5 }), "a".repeat(12)).focused, 5);
});

test("a renamed tier stays chosen, another tier does not replace it", () => {
  const { GA, ...others } = counts(6, 6, 100);
  const state = loaded({ tier: "GA" });
  const chosenAfter = (/** @type {typeof others & Record<string, typeof GA>} */ body) =>
    applyCounts(state, { body, asOf: at(1) }, TIMES).tier;
  assert.equal(chosenAfter({ ...others, Standing: { ...GA, available: 99 } }), "Standing");
  // A tier of another price or size is another tier. The page then chooses the cheapest one.
  const cheaper = { ...others, "Front Row": { ...others["Front Row"], price: 5 } };
  assert.equal(chosenAfter({ ...others, Balcony: { ...GA, price: 99 } }), "Front Row");
  assert.equal(chosenAfter({ ...cheaper, Balcony: { ...GA, total: 5 } }), "Front Row");
  assert.equal(chosenAfter({ ...cheaper, Balcony: GA }), "Balcony");
  assert.equal(chosenAfter(others), "Front Row");
});

test("the tickets of a renamed tier stay in the basket, and those of a lost tier as well", () => {
  const { GA, ...others } = counts(6, 6, 100);
  const state = loaded({ quantities: { GA: 2, VIP: 1 } });
  assert.deepEqual(applyCounts(state, { body: { ...others, Standing: GA }, asOf: at(1) }, TIMES).quantities, {
    Standing: 2,
    VIP: 1,
  });
  assert.deepEqual(applyCounts(state, { body: others, asOf: at(1) }, TIMES).quantities, { GA: 2, VIP: 1 });
});

test("the ticket that the page has chosen moves to a tier that exists", () => {
  const { GA: _, ...others } = counts(6, 6, 100);
  const state = loaded({ tier: "GA" });
  const { tier, quantities } = filled({ ...state, ...applyCounts(state, { body: others, asOf: at(1) }, TIMES) });
  assert.deepEqual([tier, quantities], ["Front Row", { "Front Row": 1 }]);
  assert.deepEqual(applyCounts(state, { body: {}, asOf: at(1) }, TIMES).quantities, {});
});
