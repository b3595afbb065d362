import assert from "node:assert/strict";
import { test } from "node:test";

import {
  changeQuantity,
  chooseTier,
  loseSeats,
  pickBest,
  restorePicks,
  togglePick,
} from "../../../../webapp/js/event/selection.js";
import { loaded, seatStates, seats } from "./examples.js";

/** @import { EventState } from "../../../../webapp/js/event/state.js" */

/**
 * Return the fields of a selection that tests compare, after changes.
 * @param {EventState} state
 * @param {Partial<EventState>} changes
 */
function after(state, changes) {
  const { tier, quantity, picks, lost, focused } = { ...state, ...changes };
  return { tier, quantity, picks, lost: lost.map(({ id }) => id), focused };
}

test("another tier drops the picks and the lost seats", () => {
  const state = loaded({ picks: [1], quantity: 3 });
  const chosen = after({ ...state, lost: seats(state, 2) }, chooseTier(state, "GA"));
  assert.equal(chooseTier(state, "GA").announcedAt, 0);
  assert.deepEqual(chosen, { tier: "GA", quantity: 3, picks: [], lost: [], focused: 0 });
});

test("without picks the quantity stays between one and the limit", () => {
  const state = loaded();
  assert.deepEqual(changeQuantity(state, 1, { quantity: 2, limit: 6 }), { quantity: 3 });
  assert.deepEqual(changeQuantity(state, 1, { quantity: 6, limit: 6 }), { quantity: 6 });
  assert.deepEqual(changeQuantity(state, -1, { quantity: 1, limit: 6 }), { quantity: 1 });
});

test("picks grow by their nearest free neighbours", () => {
  const state = loaded({ picks: [1] });
  assert.deepEqual(changeQuantity(state, 1, { quantity: 1, limit: 6 }).picks, [1, 2]);
  const taken = loaded({ picks: [1], seatStates: seatStates({ 2: "s" }) });
  assert.deepEqual(changeQuantity(taken, 1, { quantity: 1, limit: 6 }).picks, [1, 4]);
  const alone = loaded({ picks: [1], seatStates: seatStates({ 2: "s", 3: "s", 4: "s", 5: "h", 6: "s" }) });
  assert.deepEqual(changeQuantity(alone, 1, { quantity: 1, limit: 6 }), { quantity: 1, picks: [1], lost: [] });
});

test("picks shrink from the last one on, but not below one", () => {
  const state = loaded({ picks: [3, 1, 2] });
  assert.deepEqual(changeQuantity(state, -1, { quantity: 3, limit: 6 }).picks, [3, 1]);
  assert.deepEqual(changeQuantity(loaded({ picks: [3] }), -1, { quantity: 1, limit: 6 }).picks, [3]);
  // At the limit nothing is added.
  assert.deepEqual(changeQuantity(state, 1, { quantity: 3, limit: 3 }).picks, [3, 1, 2]);
  // An unknown seat has no neighbours.
  assert.deepEqual(changeQuantity(loaded({ picks: [99] }), 1, { quantity: 1, limit: 6 }).picks, [99]);
});

test("an added neighbour replaces a lost seat", () => {
  const state = loaded({ picks: [1], quantity: 3 });
  const grown = after(
    { ...state, lost: seats(state, 5, 6) },
    changeQuantity({ ...state, lost: seats(state, 5, 6) }, 1, { quantity: 1, limit: 6 }),
  );
  assert.deepEqual(grown, { tier: "VIP", quantity: 3, picks: [1, 2], lost: [6], focused: 0 });
});

test("a free seat is picked, and a picked seat is returned", () => {
  const picked = after(loaded(), togglePick(loaded(), 2, 10));
  assert.deepEqual(picked, { tier: "VIP", quantity: 1, picks: [2], lost: [], focused: 2 });
  const two = loaded({ picks: [2, 3], quantity: 2 });
  assert.deepEqual(after(two, togglePick(two, 2, 10)), {
    tier: "VIP",
    quantity: 1,
    picks: [3],
    lost: [],
    focused: 2,
  });
  const withLost = { ...two, lost: seats(two, 5) };
  assert.equal(after(withLost, togglePick(withLost, 2, 10)).quantity, 2);
  const last = loaded({ picks: [2] });
  assert.equal(after(last, togglePick(last, 2, 10)).quantity, 1);
});

test("a seat that is not free gets only the focus", () => {
  const state = loaded({ seatStates: seatStates({ 2: "h" }) });
  assert.deepEqual(togglePick(state, 2, 10), { focused: 2 });
  assert.deepEqual(togglePick(state, 99, 10), {});
});

test("a seat of another tier replaces all picks", () => {
  const state = loaded({ picks: [1, 2], quantity: 2 });
  assert.deepEqual(after({ ...state, lost: seats(state, 3) }, togglePick(state, 8, 10)), {
    tier: "Front Row",
    quantity: 1,
    picks: [8],
    lost: [],
    focused: 8,
  });
});

test("a pick beyond the limit changes nothing and reminds of the limit", () => {
  const state = loaded({ picks: [1, 2, 3] });
  const changes = togglePick(state, 4, 3);
  assert.deepEqual({ ...state, ...changes }.picks, [1, 2, 3]);
  assert.equal(changes.reminder?.reason, "limit");
  assert.deepEqual(togglePick(state, 3, 3).picks, [1, 2], "returning a seat stays possible");
});

test("picks that another tier replaces can be restored", () => {
  const state = loaded({ picks: [1, 2], quantity: 2 });
  for (const changes of [togglePick(state, 8, 10), chooseTier(state, "GA")]) {
    const changed = { ...state, ...changes };
    assert.deepEqual(changed.reminder, { reason: "other_tier", tier: "VIP", picks: [1, 2] });
    assert.deepEqual(after(changed, restorePicks(changed)), {
      tier: "VIP",
      quantity: 2,
      picks: [1, 2],
      lost: [],
      focused: changed.focused,
    });
    const sold = { ...changed, seatStates: seatStates({ 2: "s" }) };
    assert.deepEqual(restorePicks(sold).picks, [1], "a seat that others bought meanwhile stays theirs");
  }
});

test("nothing is to be restored without picks, or in the same tier", () => {
  assert.equal(chooseTier(loaded(), "GA").reminder?.reason, "");
  assert.equal(chooseTier(loaded({ picks: [1] }), "VIP").reminder?.reason, "");
  assert.equal(togglePick(loaded(), 8, 10).reminder?.reason, "");
  assert.deepEqual(restorePicks(loaded()), {});
});

test("a pick replaces the lost seat that has come back, else the first one", () => {
  const state = loaded({ picks: [1], quantity: 3 });
  const lost = { ...state, lost: seats(state, 2, 3) };
  assert.deepEqual(after(lost, togglePick(lost, 3, 10)), {
    tier: "VIP",
    quantity: 3,
    picks: [1, 3],
    lost: [2],
    focused: 3,
  });
  assert.deepEqual(after(lost, togglePick(lost, 4, 10)).lost, [3]);
});

test("the best seats replace picks and lost seats, within the limit", () => {
  const state = loaded({ picks: [9], quantity: 5 });
  const best = after({ ...state, lost: seats(state, 8) }, pickBest(state, 2));
  assert.deepEqual(best, { tier: "VIP", quantity: 2, picks: [1, 2], lost: [], focused: 0 });
  assert.deepEqual(pickBest(state, 1).picks, [2]);
  const full = loaded({ seatStates: seatStates({ 1: "s", 2: "s", 3: "s", 4: "s", 5: "s", 6: "s" }) });
  assert.deepEqual(pickBest(full, 2), {});
});

test("refused seats are lost and no longer free", () => {
  const state = loaded({ picks: [1, 2, 3], quantity: 3 });
  const changes = loseSeats({ ...state, lost: seats(state, 2, 5) }, [2, 3, 99]);
  assert.deepEqual(after(state, changes), { tier: "VIP", quantity: 3, picks: [1], lost: [5, 2, 3], focused: 0 });
  assert.deepEqual([changes.seatStates.get(1), changes.seatStates.get(2), changes.seatStates.get(3)], ["a", "s", "s"]);
});
