// The basket beside the limits that the API states, its prices, and its lost seats.
import assert from "node:assert/strict";
import { test } from "node:test";

import { deriveView } from "../../../../webapp/js/event/derive.js";
import { EVENT, limited, loaded, NOW, seats } from "./examples.js";

/** @import { EventState } from "../../../../webapp/js/event/state.js" */

/** @param {EventState} state */
const view = (state, isOwn = (/** @type {number} */ _id) => false) =>
  deriveView(state, { now: NOW, serverNow: NOW, checkout: { locked: false, wait: 0 }, isOwn });

test("the limit is the one that the API states, whatever its size", () => {
  const most = (/** @type {EventState} */ state) => view(state).tiers.map(({ at_most }) => at_most);
  assert.deepEqual(most(loaded({ event: limited(25) })), [25, 25, 25]);
  assert.equal(view(loaded({ event: limited(25), tier: "GA", quantities: { GA: 24 } })).tiers[2].most, false);
  const unknown = view(loaded({ event: null, counts: null, quantities: { GA: 40 } }));
  assert.deepEqual([unknown.surplus, unknown.full, unknown.over_tier], [0, false, ""]);
});

test("a booking has no more tickets than its buyer may have", () => {
  const [vip, frontRow, ga] = EVENT.tiers;
  const tiers = [vip, frontRow, { ...ga, ticketsPerBuyer: 2 }];
  const event = { ...EVENT, ticketsPerBuyer: 4, tiers };
  const { tiers: shown, most_tickets, full } = view(loaded({ event, quantities: { VIP: 2, GA: 2 } }));
  assert.deepEqual([shown.map(({ at_most }) => at_most), most_tickets, full], [[4, 4, 2], 4, true]);
  const ga2 = view(loaded({ event, tier: "GA" }));
  assert.deepEqual([ga2.limit, ga2.tier_per_person, view(loaded()).tier_per_person], [2, true, false]);
});

test("a basket that is older than the limits is locked until the visitor has removed the surplus", () => {
  const over = view(loaded({ event: limited(4), quantities: { GA: 4 }, picks: [1, 8] }));
  assert.deepEqual([over.surplus, over.full, over.locked, over.quantity], [2, false, true, 6]);
  const [vip, frontRow, ga] = EVENT.tiers;
  const event = { ...EVENT, tiers: [vip, frontRow, { ...ga, ticketsMax: 3 }] };
  const ofTier = view(loaded({ event, quantities: { GA: 5 } }));
  assert.deepEqual([ofTier.over_tier, ofTier.over_most, ofTier.over_surplus, ofTier.locked], ["GA", 3, 2, true]);
  assert.equal(view(loaded({ event, quantities: { GA: 3 } })).locked, false);
});

test("an entry has the price of its tickets", () => {
  const { entries } = view(loaded({ quantities: { GA: 3, VIP: 1 }, picks: [8] }));
  assert.deepEqual(
    entries.map(({ tier, total }) => [tier, total]),
    [
      ["VIP", 100],
      ["GA", 30],
      ["Front Row", 50],
    ],
  );
});

test("a lost seat that an order of this browser has is told from those of others", () => {
  const state = loaded({ picks: [1] });
  const lost = { ...state, lost: seats(state, 2, 3) };
  const isOwn = (/** @type {number} */ id) => id === 2;
  const { lost: shown, lost_to_others } = view(lost, isOwn);
  assert.deepEqual(
    [shown.map(({ id, own }) => [id, own]), lost_to_others],
    [
      [
        [2, true],
        [3, false],
      ],
      true,
    ],
  );
  assert.equal(view(lost, () => true).lost_to_others, false);
});
