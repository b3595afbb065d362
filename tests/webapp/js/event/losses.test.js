// Tickets of the basket that are no longer available: the visitor decides, and nothing else leaves the basket.
import assert from "node:assert/strict";
import { test } from "node:test";

import { READING_MS } from "../../../../webapp/js/event/best_seats.js";
import { deriveView } from "../../../../webapp/js/event/derive.js";
import { exchangeTier } from "../../../../webapp/js/event/selection.js";
import { choice, counts, loaded, NOW } from "./examples.js";

/** @import { EventState } from "../../../../webapp/js/event/state.js" */

/** @param {EventState} state */
const view = (state) =>
  deriveView(state, { now: NOW, serverNow: NOW, checkout: { locked: false, wait: 0 }, isOwn: () => false });

const LIMITS = { available: 6, tierFewest: 1, tierMost: 10 };

test("the tier that has too few tickets is exchanged, not the tier that was changed last", () => {
  const state = loaded({ tier: "GA", quantities: { VIP: 3, GA: 2 }, counts: counts(2, 6, 100) });
  const { tier, changed_tier, next_best } = view(state);
  assert.deepEqual([tier, changed_tier, next_best], ["VIP", "GA", "Front Row"]);
  assert.deepEqual(exchangeTier(state, tier, next_best, LIMITS).quantities, { GA: 2, "Front Row": 3 });
  // A tier without tickets comes before one with fewer.
  const both = loaded({ tier: "GA", quantities: { VIP: 3, "Front Row": 1, GA: 2 }, counts: counts(2, 0, 100) });
  assert.equal(view(both).tier, "Front Row");
});

test("fewer tickets are booked only at a button that names the loss", () => {
  const state = loaded({ quantities: { VIP: 3, "Front Row": 1, GA: 2 }, counts: counts(2, 0, 100) });
  const { bookable, missing, quantity, total, items } = view(state);
  assert.deepEqual(missing, [
    { tier: "VIP", quantity: 1 },
    { tier: "Front Row", quantity: 1 },
  ]);
  assert.deepEqual([bookable, quantity, total], [true, 4, 220]);
  assert.deepEqual(
    JSON.parse(items).map((/** @type {{ tier: string, quantity: number }} */ item) => [item.tier, item.quantity]),
    [
      ["VIP", 2],
      ["GA", 2],
    ],
  );
  assert.deepEqual(view(loaded()).missing, []);
});

test("a click books nothing until the visitor could read other bookable tickets", () => {
  assert.equal(view(loaded({ quantities: { VIP: 2 }, stockChangedAt: NOW - READING_MS + 1 })).locked, true);
  assert.equal(view(loaded({ quantities: { VIP: 2 }, stockChangedAt: NOW - READING_MS })).locked, false);
});

test("the offer of another tier names all tickets that take the place of others, and their total", () => {
  const state = loaded({ tier: "VIP", quantities: { VIP: 3, GA: 2 }, counts: counts(6, 0, 0) });
  const offer = ({ next_best, next_best_quantity, next_best_total } = view(state)) => [
    next_best,
    next_best_quantity,
    next_best_total,
  ];
  assert.deepEqual(offer(), ["VIP", 2, 200]);
  // A tier whose tickets are all in the basket takes the place of none.
  assert.deepEqual(offer(view({ ...state, quantities: { VIP: 6, GA: 2 } })), ["", 0, 0]);
});

test("the page searches no seats of a tier without tickets", () => {
  const offer = { quantity: 1, choices: [], at: NOW, taken: [1], isOpen: false, changedAt: NOW - READING_MS };
  const state = loaded({ quantities: { VIP: 1, "Front Row": 1 }, offers: { "Front Row": offer } });
  const lost = (/** @type {number} */ left) =>
    view({ ...state, counts: counts(6, left, 100) }).entries.map((entry) => entry.lost);
  assert.deepEqual(
    [lost(6), lost(0)],
    [
      [false, true],
      [false, false],
    ],
  );
});

test("the page says so if the API chooses the seats of some tickets", () => {
  const offer = { quantity: 1, choices: [choice(1)], at: NOW, taken: [], isOpen: false, changedAt: 0 };
  const state = loaded({ quantities: { VIP: 1, GA: 1 }, offers: { VIP: offer } });
  assert.equal(view(state).seats_later, false);
  // The buyer's own pick is the only seat that the API has offered.
  assert.equal(view({ ...state, picks: [1] }).seats_later, true);
  assert.equal(view(loaded({ quantities: { GA: 1 } })).seats_later, false);
});
