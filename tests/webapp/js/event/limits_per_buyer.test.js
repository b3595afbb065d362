// The limits that a page names: of one booking, or of all bookings of a buyer.
import assert from "node:assert/strict";
import { test } from "node:test";

import { deriveView } from "../../../../webapp/js/event/derive.js";
import { EVENT, loaded, NOW } from "./examples.js";

/** @import { EventState } from "../../../../webapp/js/event/state.js" */

/** @param {Partial<EventState>} changes */
function limits(changes) {
  const surroundings = { now: NOW, serverNow: NOW, checkout: { locked: false, wait: 0 }, isOwn: () => false };
  const { full, per_person, tier_full, tier_per_person, surplus, over_tier, over_per_person } = deriveView(
    loaded(changes),
    surroundings,
  );
  return { full, per_person, tier_full, tier_per_person, surplus, over_tier, over_per_person };
}

const [VIP, FRONT_ROW, GA] = EVENT.tiers;
/** An event whose buyers may have three tickets, two of them of the standing tier. */
const PER_BUYER = {
  ...EVENT,
  ticketsPerBuyer: 3,
  tiers: [
    { ...VIP, ticketsPerBuyer: 3 },
    { ...FRONT_ROW, ticketsPerBuyer: 3 },
    { ...GA, ticketsPerBuyer: 2 },
  ],
};

test("a full basket has reached the limit of a buyer or of a booking", () => {
  const ofBuyer = limits({ event: PER_BUYER, tier: "VIP", quantities: { VIP: 3 } });
  assert.deepEqual([ofBuyer.full, ofBuyer.per_person], [true, true]);
  // No booking reaches the limit of a buyer.
  const ofBooking = limits({ event: { ...PER_BUYER, ticketsMax: 2 }, tier: "VIP", quantities: { VIP: 2 } });
  assert.deepEqual([ofBooking.full, ofBooking.per_person], [true, false]);
  assert.equal(limits({}).per_person, false);
});

test("a tier has reached the limit of a buyer or of a booking", () => {
  const ofBuyer = limits({ event: PER_BUYER, tier: "GA", quantities: { GA: 2 } });
  assert.deepEqual([ofBuyer.tier_full, ofBuyer.tier_per_person], [true, true]);
  const tiers = [VIP, FRONT_ROW, { ...GA, ticketsMax: 2 }];
  const ofBooking = limits({ event: { ...EVENT, tiers }, tier: "GA", quantities: { GA: 2 } });
  assert.deepEqual([ofBooking.tier_full, ofBooking.tier_per_person], [true, false]);
});

test("a surplus exceeds the limit of a buyer or of a booking", () => {
  const ofBasket = limits({ event: PER_BUYER, tier: "VIP", quantities: { VIP: 4 } });
  assert.deepEqual([ofBasket.surplus, ofBasket.per_person], [1, true]);
  const ofTier = limits({ event: PER_BUYER, tier: "GA", quantities: { GA: 3 } });
  assert.deepEqual([ofTier.surplus, ofTier.over_tier, ofTier.over_per_person], [0, "GA", true]);
  const tiers = [VIP, FRONT_ROW, { ...GA, ticketsMax: 2 }];
  const ofBooking = limits({ event: { ...EVENT, tiers }, tier: "GA", quantities: { GA: 3 } });
  assert.deepEqual([ofBooking.over_tier, ofBooking.over_per_person], ["GA", false]);
});
