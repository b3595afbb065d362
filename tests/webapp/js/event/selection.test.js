import assert from "node:assert/strict";
import { test } from "node:test";

import { filled } from "../../../../webapp/js/event/basket.js";
import {
  addTicket,
  exchangeTier,
  loseSeats,
  pickBestSeats,
  removeTicket,
  removeTier,
  togglePick,
  unpickAll,
} from "../../../../webapp/js/event/selection.js";
import { choice, loaded, NOW, seatStates, seats } from "./examples.js";

/** @import { EventState } from "../../../../webapp/js/event/state.js" */

const LIMITS = { available: 6, fewest: 1, most: 10, tierFewest: 1, tierMost: 10 };

/** @param {number} most */
const limits = (most) => () => ({ ...LIMITS, most, tierMost: most });

/**
 * Return the fields of a basket that tests compare, after changes.
 * @param {EventState} state
 * @param {Partial<EventState>} changes
 */
function after(state, changes) {
  const { tier, quantities, picks, lost } = filled({ ...state, ...changes });
  return { tier, quantities, picks, lost: lost.map(({ id }) => id) };
}

test("tickets of several tiers add up", () => {
  let state = loaded();
  for (const tier of ["VIP", "GA", "GA"]) state = { ...state, ...addTicket(state, tier, LIMITS) };
  assert.deepEqual(after(state, {}), { tier: "GA", quantities: { VIP: 2, GA: 2 }, picks: [], lost: [] });
  state = { ...state, ...togglePick(state, 8, limits(10)) };
  assert.deepEqual(after(state, {}), { tier: "Front Row", quantities: { VIP: 2, GA: 2 }, picks: [8], lost: [] });
});

test("the first ticket of another tier takes the place of the one that the page has chosen", () => {
  const chosen = after(loaded(), addTicket(loaded(), "GA", LIMITS));
  assert.deepEqual(chosen, { tier: "GA", quantities: { GA: 1 }, picks: [], lost: [] });
  assert.equal(addTicket(loaded(), "GA", LIMITS).announcedAt, 0);
  const twice = { ...loaded(), ...addTicket(loaded(), "GA", LIMITS) };
  assert.deepEqual(after(twice, addTicket(twice, "VIP", LIMITS)).quantities, { GA: 1, VIP: 1 });
});

test("a limit refuses a ticket, and the basket stays as it is", () => {
  const full = loaded({ quantities: { GA: 2 }, picks: [1] });
  assert.equal(addTicket(full, "VIP", { ...LIMITS, most: 3 }).refusedBy, "booking");
  assert.deepEqual(after(full, addTicket(full, "GA", { ...LIMITS, most: 3 })).quantities, { GA: 2 });
  const last = loaded({ quantities: { VIP: 6 } });
  assert.deepEqual(addTicket(last, "VIP", LIMITS), {});
});

test("the limit of a tier refuses a ticket and a seat of it only", () => {
  const state = loaded({ quantities: { GA: 3 }, picks: [1, 2] });
  const ofTier = { ...LIMITS, tierMost: 2 };
  assert.equal(addTicket(state, "VIP", ofTier).refusedBy, "tier");
  const refused = togglePick(state, 3, () => ofTier);
  assert.deepEqual([refused.refusedBy, refused.tier, refused.picks], ["tier", undefined, undefined]);
  assert.deepEqual(togglePick(state, 8, () => ofTier).picks, [1, 2, 8]);
});

test("a tier is chosen with as many tickets as a booking needs at least", () => {
  const pairs = { ...LIMITS, tierFewest: 2 };
  assert.deepEqual(addTicket(loaded(), "GA", pairs).quantities, { GA: 2 });
  const state = loaded({ quantities: { GA: 1 } });
  const two = { ...state, ...addTicket(state, "Front Row", pairs) };
  assert.deepEqual(two.quantities, { GA: 1, "Front Row": 2 });
  assert.deepEqual(addTicket(two, "Front Row", pairs).quantities, { GA: 1, "Front Row": 3 });
  assert.deepEqual(removeTicket(two, "Front Row", pairs).quantities, { GA: 1 });
  assert.equal(addTicket(state, "Front Row", { ...pairs, most: 2 }).refusedBy, "booking");
});

test("tickets of a tier shrink, and the last one leaves the page's own choice", () => {
  const state = loaded({ quantities: { VIP: 2, GA: 1 } });
  assert.deepEqual(after(state, removeTicket(state, "VIP", { ...LIMITS, available: 6 })).quantities, { VIP: 1, GA: 1 });
  assert.deepEqual(after(state, removeTicket(state, "GA", { ...LIMITS, available: 6 })).quantities, { VIP: 2 });
  assert.deepEqual(after(state, removeTier(state, "VIP")).quantities, { GA: 1 });
  const last = loaded({ quantities: { GA: 3 } });
  assert.deepEqual(after(last, removeTier(last, "GA")), { tier: "VIP", quantities: { VIP: 1 }, picks: [], lost: [] });
  // The basket shows no more than are left, so one less than that remains.
  assert.deepEqual(after(last, removeTicket(last, "GA", { ...LIMITS, available: 2 })).quantities, { GA: 1 });
});

test("picks grow by their nearest free neighbours", () => {
  const state = loaded({ picks: [1] });
  assert.deepEqual(addTicket(state, "VIP", LIMITS).picks, [1, 2]);
  const taken = loaded({ picks: [1], seatStates: seatStates({ 2: "s" }) });
  assert.deepEqual(addTicket(taken, "VIP", LIMITS).picks, [1, 4]);
  const alone = loaded({ picks: [1], seatStates: seatStates({ 2: "s", 3: "s", 4: "s", 5: "h", 6: "s" }) });
  assert.deepEqual(after(alone, addTicket(alone, "VIP", LIMITS)).picks, [1]);
  // Picks of another tier do not.
  assert.deepEqual(after(state, addTicket(state, "Front Row", LIMITS)), {
    tier: "Front Row",
    quantities: { "Front Row": 1 },
    picks: [1],
    lost: [],
  });
});

test("picks shrink from the last one of the tier on", () => {
  const state = loaded({ picks: [3, 1, 8, 2] });
  assert.deepEqual(removeTicket(state, "VIP", { ...LIMITS, available: 6 }).picks, [3, 1, 8]);
  assert.deepEqual(removeTicket(state, "Front Row", { ...LIMITS, available: 6 }).picks, [3, 1, 2]);
  const mixed = loaded({ picks: [3], quantities: { VIP: 1 } });
  assert.deepEqual(after(mixed, removeTicket(mixed, "VIP", { ...LIMITS, available: 6 })), {
    tier: "VIP",
    quantities: {},
    picks: [3],
    lost: [],
  });
  // At the limit nothing is added.
  const full = loaded({ picks: [3, 1, 2] });
  assert.deepEqual(after(full, addTicket(full, "VIP", { ...LIMITS, most: 3 })).picks, [3, 1, 2]);
});

test("an added neighbour replaces a lost seat, also at the limit", () => {
  const state = loaded({ picks: [1] });
  const lost = { ...state, lost: seats(state, 8, 5, 6) };
  assert.deepEqual(after(lost, addTicket(lost, "VIP", { ...LIMITS, most: 4 })), {
    tier: "VIP",
    quantities: {},
    picks: [1, 2],
    lost: [8, 6],
  });
});

test("a free seat is picked, and a picked seat is returned", () => {
  const picked = loaded();
  assert.deepEqual(after(picked, togglePick(picked, 2, limits(10))), {
    tier: "VIP",
    quantities: {},
    picks: [2],
    lost: [],
  });
  assert.equal(togglePick(picked, 2, limits(10)).focused, 2);
  const two = loaded({ picks: [2, 3] });
  assert.deepEqual(after(two, togglePick(two, 2, limits(10))), { tier: "VIP", quantities: {}, picks: [3], lost: [] });
  const withLost = { ...two, lost: seats(two, 5) };
  assert.deepEqual(after(withLost, togglePick(withLost, 2, limits(10))), {
    tier: "VIP",
    quantities: {},
    picks: [3],
    lost: [5],
  });
  const last = loaded({ picks: [2] });
  assert.deepEqual(after(last, togglePick(last, 2, limits(10))), {
    tier: "VIP",
    quantities: { VIP: 1 },
    picks: [],
    lost: [],
  });
});

test("a pick takes the place of a ticket of its tier without a seat", () => {
  const state = loaded({ quantities: { VIP: 2, GA: 1 } });
  assert.deepEqual(after(state, togglePick(state, 2, limits(3))), {
    tier: "VIP",
    quantities: { VIP: 1, GA: 1 },
    picks: [2],
    lost: [],
  });
});

test("a seat that is not free gets only the focus", () => {
  const state = loaded({ seatStates: seatStates({ 2: "h" }) });
  assert.deepEqual(togglePick(state, 2, limits(10)), { focused: 2 });
  assert.deepEqual(togglePick(state, 99, limits(10)), {});
});

test("a seat of another tier keeps all picks and lost seats", () => {
  const state = loaded({ picks: [1, 2] });
  const lost = { ...state, lost: seats(state, 3) };
  assert.deepEqual(after(lost, togglePick(lost, 8, limits(10))), {
    tier: "Front Row",
    quantities: {},
    picks: [1, 2, 8],
    lost: [3],
  });
});

test("a pick beyond the limit changes nothing and names the limit", () => {
  const state = loaded({ picks: [1, 2, 3] });
  const changes = togglePick(state, 4, limits(3));
  assert.deepEqual({ ...state, ...changes }.picks, [1, 2, 3]);
  assert.equal(changes.refusedBy, "booking");
  assert.deepEqual(togglePick(state, 3, limits(3)).picks, [1, 2], "returning a seat stays possible");
  const mixed = loaded({ picks: [1], quantities: { GA: 2 } });
  assert.equal(togglePick(mixed, 4, limits(3)).refusedBy, "booking");
});

test("a pick replaces the lost seat that has come back, else the first one of its tier", () => {
  const state = loaded({ picks: [1] });
  const lost = { ...state, lost: seats(state, 8, 2, 3) };
  assert.deepEqual(after(lost, togglePick(lost, 3, limits(4))), {
    tier: "VIP",
    quantities: {},
    picks: [1, 3],
    lost: [8, 2],
  });
  assert.deepEqual(after(lost, togglePick(lost, 4, limits(4))).lost, [8, 3]);
});

test("the best seats replace those picked before and the lost seats of their tier, and no picked seat", () => {
  const state = loaded({ picks: [8, 6, 4], bestPicks: [4, 8], quantities: { GA: 1, VIP: 1 } });
  const lost = { ...state, lost: seats(state, 5, 9) };
  const changes = pickBestSeats(lost, "VIP", [1, 2, 3]);
  assert.deepEqual(after(lost, changes), { tier: "VIP", quantities: { GA: 1 }, picks: [8, 6, 1, 2, 3], lost: [9] });
  assert.deepEqual(changes.bestPicks, [8, 1, 2, 3]);
});

test("a seat that the visitor picks again is the visitor's choice", () => {
  const state = loaded({ picks: [1], bestPicks: [1, 2] });
  assert.deepEqual(togglePick(state, 2, limits(10)).bestPicks, [1]);
  // The neighbour of a best seat belongs to its group.
  assert.deepEqual(addTicket(state, "VIP", LIMITS).bestPicks, [1, 2, 2]);
  assert.deepEqual(addTicket({ ...state, bestPicks: [] }, "VIP", LIMITS).bestPicks, []);
});

test("without their seats as many tickets of each tier remain", () => {
  const state = loaded({ picks: [1, 8, 2], quantities: { GA: 1 } });
  const changes = unpickAll({ ...state, lost: seats(state, 3) });
  assert.deepEqual(after(state, changes), {
    tier: "VIP",
    quantities: { GA: 1, VIP: 3, "Front Row": 1 },
    picks: [],
    lost: [],
  });
});

test("another tier takes over the tickets of one that has none", () => {
  const state = loaded({ picks: [1, 8], quantities: { VIP: 1, GA: 2 } });
  assert.deepEqual(after(state, exchangeTier({ ...state, lost: seats(state, 2) }, "VIP", "GA", LIMITS)), {
    tier: "GA",
    quantities: { GA: 5 },
    picks: [8],
    lost: [],
  });
  assert.deepEqual(exchangeTier(state, "VIP", "GA", { ...LIMITS, tierMost: 3 }).quantities, { GA: 3 });
  assert.deepEqual(exchangeTier(state, "VIP", "Front Row", { ...LIMITS, available: 2 }).quantities, {
    GA: 2,
    "Front Row": 1,
  });
});

test("refused seats are lost and no longer free", () => {
  const state = loaded({ picks: [1, 2, 3] });
  const changes = loseSeats({ ...state, lost: seats(state, 2, 5) }, [2, 3, 99], NOW);
  assert.deepEqual(after(state, changes), { tier: "VIP", quantities: {}, picks: [1], lost: [5, 2, 3] });
  assert.deepEqual([changes.seatStates.get(1), changes.seatStates.get(2), changes.seatStates.get(3)], ["a", "s", "s"]);
});

test("seats that the page has chosen are not lost picks, and the next choice takes their place", () => {
  const offer = {
    quantity: 2,
    choices: [choice(1, 2), choice(2, 3), choice(5, 6)],
    at: NOW,
    taken: [],
    isOpen: false,
    changedAt: 0,
  };
  const state = loaded({ quantities: { VIP: 2 }, offers: { VIP: offer } });
  const { lost, picks, offers } = { ...state, ...loseSeats(state, [2], NOW + 5) };
  assert.deepEqual([lost, picks], [[], []]);
  assert.deepEqual(offers.VIP, { ...offer, choices: [choice(5, 6)], taken: [2], changedAt: NOW + 5 });
});
