// Responses of different age are not combined.

import assert from "node:assert/strict";
import { test } from "node:test";

import { deriveView } from "../../../../webapp/js/event/derive.js";
import { describesTiers, outdated } from "../../../../webapp/js/event/revisions.js";
import { hasSameSeats, layOut } from "../../../../webapp/js/event/seating.js";
import { applyCounts } from "../../../../webapp/js/event/snapshots.js";
import { pastTimes } from "../../../../webapp/js/event/state.js";
import { at, counts, EVENT, loaded, NOW, rows } from "./examples.js";

const TIMES = { now: NOW, serverNow: NOW };
const SURROUNDINGS = { ...TIMES, ticketsMax: 10, checkout: { locked: false, wait: 0 } };

/**
 * Return an event's response.
 * @param {number} revision
 */
const event = (revision) => ({ body: { ...EVENT, revision }, asOf: at(0) });

/**
 * Return counts of a revision; undefined: the response has none.
 * @param {number} [revision]
 */
const countsOf = (revision) => ({ body: counts(6, 6, 100), asOf: at(0), revision });

/** @param {number} [revision] */
const statesOf = (revision) => ({ body: { tiers: {}, rows: rows() }, asOf: at(0), revision });

for (const [responses, older] of /** @type {[Parameters<typeof outdated>[0], string[]][]} */ ([
  [{}, []],
  [{ event: event(3) }, []],
  [{ counts: countsOf(3) }, []],
  [{ event: event(3), counts: countsOf(3), states: statesOf(3) }, []],
  [{ event: event(3), counts: countsOf(4) }, ["event"]],
  [{ event: event(4), counts: countsOf(3), states: statesOf(3) }, ["counts", "states"]],
  [{ event: event(3), counts: countsOf(4), states: statesOf(3) }, ["event", "states"]],
  [{ event: event(0), counts: countsOf(1), states: statesOf(1) }, ["event"]],
  // A proxy may remove the header.
  [{ event: event(3), counts: countsOf(), states: statesOf() }, []],
]))
  test(`outdated responses: ${older.join(" and ") || "none"} of ${Object.keys(responses)}`, () => {
    assert.deepEqual(outdated(responses), older);
  });

test("counts describe the tiers of the event if names and prices are equal", () => {
  assert.ok(describesTiers(EVENT, counts(1, 2, 3)));
  const { GA, ...others } = counts(6, 6, 100);
  assert.ok(!describesTiers(EVENT, others));
  assert.ok(!describesTiers(EVENT, { ...others, Standing: GA }));
  assert.ok(!describesTiers(EVENT, { ...others, GA, Balcony: GA }));
  assert.ok(!describesTiers(EVENT, { ...others, GA: { ...GA, price: 99 } }));
});

/** @param {ReturnType<typeof loaded>["counts"]} changed */
const viewOf = (changed) => deriveView(loaded({ counts: changed, tier: "GA" }), SURROUNDINGS);

test("a tier that the counts do not contain is unknown, and neither sold out nor empty", () => {
  const { GA, ...others } = counts(6, 6, 100);
  for (const changed of [
    { ...others, Standing: GA },
    { ...others, GA: { ...GA, price: 99 } },
  ]) {
    const view = viewOf(changed);
    const tier = view.tiers.find(({ name }) => name === "GA");
    assert.deepEqual([tier?.known, tier?.sold_out, tier?.all_held, tier?.low], [false, false, false, false]);
    assert.deepEqual([view.tier_known, view.tier_sold_out, view.bookable, view.locked], [false, false, false, true]);
    assert.deepEqual([view.sold_out, view.limit], [false, 10]);
  }
  const known = viewOf(counts(6, 6, 100));
  assert.deepEqual([known.tier_known, known.bookable, known.limit], [true, true, 10]);
});

test("a renamed tier stays chosen, another tier does not replace it", () => {
  const { GA, ...others } = counts(6, 6, 100);
  const state = loaded({ tier: "GA" });
  const chosenAfter = (/** @type {typeof others & Record<string, typeof GA>} */ body) =>
    applyCounts(state, { body, asOf: at(1) }, TIMES).tier;
  assert.equal(chosenAfter({ ...others, Standing: { ...GA, available: 99 } }), "Standing");
  // A tier of another price or size is another tier.
  assert.equal(chosenAfter({ ...others, Balcony: { ...GA, price: 99 } }), "VIP");
  assert.equal(chosenAfter({ ...others, Balcony: { ...GA, total: 5 } }), "VIP");
  assert.equal(chosenAfter(others), "VIP");
});

test("renamed tiers, rows and seats get a new layout", () => {
  const layout = layOut(rows());
  const [first, ...others] = rows();
  assert.ok(hasSameSeats(layout, rows("s".repeat(12))));
  for (const changed of [{ tier: "Gold" }, { row: "AA" }, { numbers: [1, 2, 4] }, { ids: [1, 2, 13] }])
    assert.ok(!hasSameSeats(layout, [{ ...first, ...changed }, ...others]), JSON.stringify(changed));
});

test("a clock that is set back makes no data look fresh", () => {
  const state = loaded({ countsFreshAt: NOW, statesFreshAt: NOW - 5_000, announcedAt: NOW });
  const before = NOW - 3_600_000;
  const times = pastTimes(state, before);
  assert.deepEqual(times, { countsFreshAt: before, statesFreshAt: before, announcedAt: before });
  assert.deepEqual(pastTimes(state, NOW), { countsFreshAt: NOW, statesFreshAt: NOW - 5_000, announcedAt: NOW });
});
