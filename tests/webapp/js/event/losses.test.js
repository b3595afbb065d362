// Tickets of the basket that are no longer available: the visitor decides, and nothing else leaves the basket.
import assert from "node:assert/strict";
import { test } from "node:test";

import { deriveView } from "../../../../webapp/js/event/derive.js";
import { exchangeTier } from "../../../../webapp/js/event/selection.js";
import { counts, loaded, NOW } from "./examples.js";

/** @import { EventState } from "../../../../webapp/js/event/state.js" */

/** @param {EventState} state */
const view = (state) =>
  deriveView(state, { now: NOW, serverNow: NOW, ticketsMax: 10, checkout: { locked: false, wait: 0 } });

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
