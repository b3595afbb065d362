import assert from "node:assert/strict";
import { test } from "node:test";

import { describesTiers, outdated } from "../../../../webapp/js/event/revisions.js";
import { at, counts, EVENT, rows } from "./examples.js";

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
