import assert from "node:assert/strict";
import { test } from "node:test";

import { alternativeTo, deriveTier, isRefusalOver, isRefused } from "../../../../webapp/js/event/tiers.js";
import { at, counts, EVENT, loaded, NOW } from "./examples.js";

/** @import { EventState } from "../../../../webapp/js/event/state.js" */

/**
 * Derive all tiers of a page.
 * @param {Partial<EventState>} changes
 * @param {number} [wait]
 */
const tiersOf = (changes, wait = 0) => EVENT.tiers.map((tier) => deriveTier(loaded(changes), tier, NOW, wait));

/** @param {Partial<EventState["refusal"]>} changes */
const refusal = (changes) => ({
  phase: "sold_out",
  tier: "VIP",
  item: null,
  left: 0,
  at: NOW,
  over: false,
  ...changes,
});

/** @param {{ sold_out: boolean, all_held: boolean, back_in: number }} tier */
const shown = ({ sold_out, all_held, back_in }) => ({ sold_out, all_held, back_in });

test("unknown counts are neither sold out nor held", () => {
  const [vip] = tiersOf({ counts: null, countsAsOf: "" });
  assert.equal(vip.available, 0);
  assert.deepEqual(shown(vip), { sold_out: false, all_held: false, back_in: 0 });
});

test("the bar shows the available share", () => {
  const [vip, , ga] = tiersOf({ counts: counts(3, 6, 100) });
  assert.equal(vip.percent, 50);
  assert.equal(ga.percent, 100);
});

test("a tier is low from a tenth of its tickets on, or at its last ticket", () => {
  // A tier of one ticket is not low before it is sold.
  const only = { ...EVENT.tiers[0], name: "Box", price: 1, total: 1 };
  assert.equal(deriveTier(loaded({ counts: { Box: { available: 1, total: 1, price: 1 } } }), only, NOW, 0).low, false);
  for (const [vip, ga, expected] of /** @type {[number, number, boolean[]][]} */ ([
    [2, 11, [false, false]],
    [1, 10, [true, true]],
    [0, 0, [false, false]],
  ])) {
    const tiers = tiersOf({ counts: counts(vip, 6, ga) });
    assert.deepEqual([tiers[0].low, tiers[2].low], expected);
  }
});

test("a tier without available tickets is sold out if nobody holds any", () => {
  const empty = { counts: counts(0, 6, 100), emptySince: { VIP: at(0) } };
  assert.deepEqual(shown(tiersOf(empty)[0]), { sold_out: true, all_held: false, back_in: 0 });
  const holds = { VIP: { held: 1, heldUntil: at(61) } };
  assert.deepEqual(shown(tiersOf({ ...empty, holds })[0]), { sold_out: false, all_held: true, back_in: 61 });
});

test("the last available ticket is neither sold out nor held", () => {
  const [vip] = tiersOf({ counts: counts(1, 6, 100), holds: { VIP: { held: 5, heldUntil: at(61) } } });
  assert.deepEqual([vip.available, shown(vip)], [1, { sold_out: false, all_held: false, back_in: 0 }]);
  assert.equal(tiersOf({ counts: counts(0, 6, 100) })[0].percent, 0);
});

test("old seat states do not show an empty tier as sold out or held", () => {
  const empty = { counts: counts(0, 6, 100), emptySince: { VIP: at(1) } };
  assert.deepEqual(shown(tiersOf(empty)[0]), { sold_out: false, all_held: false, back_in: 0 });
  assert.equal(tiersOf({ ...empty, statesAsOf: at(1) })[0].sold_out, true);
  assert.equal(tiersOf({ ...empty, statesAsOf: "" })[0].sold_out, false);
});

test("snapshots that are older than a refusal do not contradict it", () => {
  const older = { countsAsOf: at(-1), eventAsOf: at(1), refusal: refusal({ left: 2 }) };
  assert.equal(tiersOf(older)[0].available, 2);
  assert.equal(tiersOf({ ...older, countsAsOf: at(1) })[0].available, 6);
  // The event is read again as well: it may have been called off.
  assert.equal(tiersOf({ ...older, countsAsOf: at(1), eventAsOf: at(-1) })[0].available, 2);
  assert.equal(tiersOf({ ...older, counts: counts(1, 6, 100) })[0].available, 1);
  assert.equal(tiersOf(older)[1].available, 6);
});

test("a refusal decides sold out or held until newer snapshots", () => {
  const older = { countsAsOf: at(-1), eventAsOf: at(-1) };
  assert.deepEqual(shown(tiersOf({ ...older, refusal: refusal({}) })[0]), {
    sold_out: true,
    all_held: false,
    back_in: 0,
  });
  assert.deepEqual(shown(tiersOf({ ...older, refusal: refusal({ phase: "all_held" }) }, 30)[0]), {
    sold_out: false,
    all_held: true,
    back_in: 30,
  });
  // With tickets left, a refusal ends nothing.
  assert.equal(tiersOf({ ...older, refusal: refusal({ left: 2 }) })[0].sold_out, false);
  // Another tier's refusal does not affect this tier.
  assert.equal(tiersOf({ ...older, refusal: refusal({ tier: "GA" }) })[0].sold_out, false);
});

test("a refusal applies to its tier alone, and while any snapshot is older", () => {
  const state = loaded({ refusal: refusal({}), countsAsOf: at(-1), eventAsOf: at(1) });
  assert.ok(isRefused(state, "VIP"));
  assert.ok(!isRefused(state, "GA"));
  assert.ok(!isRefused({ ...state, countsAsOf: at(0) }, "VIP"));
});

test("the alternative is the available tier that is nearest in price", () => {
  const tiers = tiersOf({});
  assert.equal(alternativeTo(tiers, tiers[0])?.name, "Front Row");
  assert.equal(alternativeTo(tiers, tiers[1])?.name, "GA");
  const emptied = tiersOf({ counts: counts(6, 0, 100) });
  assert.equal(alternativeTo(emptied, emptied[0])?.name, "GA");
  assert.equal(alternativeTo(emptied, undefined)?.name, "GA");
  const last = tiersOf({ counts: counts(6, 0, 1) });
  assert.equal(alternativeTo(last, last[0])?.name, "GA");
  const gone = tiersOf({ counts: counts(6, 0, 0) });
  assert.equal(alternativeTo(gone, gone[0]), undefined);
  // The cheaper of two tiers with the same difference.
  const between = { ...tiers[0], name: "Balcony", price: 75 };
  assert.equal(alternativeTo([tiers[0], between, tiers[1]], between)?.name, "Front Row");
});

/**
 * @param {Partial<EventState>} changes
 * @param {string} [sale]
 */
function isOver(changes, sale = "on_sale") {
  const state = loaded(changes);
  return isRefusalOver(state, tiersOf(changes), sale);
}

test("a refusal is over when newer counts differ from what it left", () => {
  const newer = { countsAsOf: at(1), eventAsOf: at(1) };
  assert.ok(isOver({ ...newer, refusal: refusal({}) }));
  assert.ok(!isOver({ ...newer, counts: counts(0, 6, 100), refusal: refusal({}) }));
  assert.ok(!isOver({ ...newer, counts: counts(2, 6, 100), refusal: refusal({ phase: "fewer_left", left: 2 }) }));
  assert.ok(!isOver({ countsAsOf: at(-1), eventAsOf: at(1), refusal: refusal({}) }));
  assert.ok(!isOver({ ...newer, refusal: refusal({ tier: "" }) }));
});

test("newer seat states end a refusal", () => {
  const empty = { counts: counts(0, 6, 100), countsAsOf: at(1), eventAsOf: at(1), emptySince: { VIP: at(0) } };
  const held = { VIP: { held: 2, heldUntil: at(60) } };
  const turned = { ...empty, statesAsOf: at(0) };
  assert.ok(isOver({ ...turned, refusal: refusal({ phase: "all_held" }) }));
  assert.ok(isOver({ ...turned, holds: held, refusal: refusal({}) }));
  assert.ok(!isOver({ ...turned, holds: held, refusal: refusal({ phase: "all_held" }) }));
  // States as old as the emptiness, but older than the refusal.
  assert.ok(!isOver({ ...empty, statesAsOf: at(0), refusal: refusal({ phase: "all_held", at: NOW + 500 }) }));
});

test("a closed sale is over when a newer event is on sale", () => {
  const closed = refusal({ phase: "not_on_sale", tier: "" });
  assert.ok(isOver({ eventAsOf: at(0), refusal: closed }));
  assert.ok(!isOver({ eventAsOf: at(-1), refusal: closed }));
  assert.ok(!isOver({ eventAsOf: at(0), refusal: closed }, "upcoming"));
});
