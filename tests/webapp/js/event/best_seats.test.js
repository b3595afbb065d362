import assert from "node:assert/strict";
import { test } from "node:test";

import {
  choicesOf,
  describeChoice,
  isUnseen,
  missingOffers,
  READING_MS,
  withChoice,
  withOffer,
  withOpenChoice,
  withoutTaken,
} from "../../../../webapp/js/event/best_seats.js";
import { deriveView } from "../../../../webapp/js/event/derive.js";
import { applyStates } from "../../../../webapp/js/event/snapshots.js";
import { at, choice, loaded, NOW, rows } from "./examples.js";

/** @import { EventState } from "../../../../webapp/js/event/state.js" */

const TIMES = { now: NOW, serverNow: NOW };
const WANTED = [{ tier: "VIP", quantity: 2 }];
const CHOICES = [choice(1, 2), choice(4, 5), choice(2, 3)];

/** @param {Partial<EventState>} [changes] */
function offered(changes) {
  const state = loaded({ quantities: { VIP: 2 }, ...changes });
  return { ...state, offers: withOffer(state, "VIP", { quantity: 2, choices: CHOICES }, TIMES) };
}

/** @param {EventState} state */
const view = (state, now = NOW) =>
  deriveView(state, { now, serverNow: now, checkout: { locked: false, wait: 0 }, isOwn: () => false });

/** @param {EventState} state */
const shown = (state) => choicesOf(state, "VIP", 2).map(({ ticketIds }) => ticketIds);

test("the seats of an offer are shown for its number of tickets only", () => {
  assert.deepEqual(shown(offered()), [
    [1, 2],
    [4, 5],
    [2, 3],
  ]);
  assert.deepEqual(choicesOf(offered(), "VIP", 3), []);
  assert.deepEqual(choicesOf(offered(), "constructor", 2), []);
  assert.deepEqual(view(offered()).offered, [1, 2]);
  assert.deepEqual(view(offered({ quantities: { GA: 2 } })).offered, []);
});

test("a picked seat is not offered again", () => {
  assert.deepEqual(shown(offered({ picks: [2] })), [[4, 5]]);
});

test("the page books the seats that it shows", () => {
  const { items, entries, total, searches } = view(offered());
  assert.deepEqual(JSON.parse(items), [{ tier: "VIP", quantity: 2, ticketIds: [1, 2], isOffered: true }]);
  assert.deepEqual([entries[0].seats[0].first, entries[0].others.map(({ first }) => first)], [1, [4, 2]]);
  assert.deepEqual([total, searches], [200, []]);
});

test("without an offer the page searches and lets the API choose", () => {
  const state = loaded({ quantities: { VIP: 2, GA: 1 } });
  assert.deepEqual(view(state).searches, WANTED);
  assert.deepEqual(JSON.parse(view(state).items)[0].ticketIds, []);
  assert.equal(view(state).locked, false);
  // Old counts and a closed sale start no search.
  assert.deepEqual(view(state, NOW + 60_000).searches, []);
  assert.deepEqual(missingOffers(offered(), [{ tier: "VIP", quantity: 3 }]), [{ tier: "VIP", quantity: 3 }]);
});

test("an alternative takes the first place", () => {
  const state = { ...offered(), offers: withChoice(offered(), "VIP", 4) };
  assert.deepEqual(shown(state), [
    [4, 5],
    [1, 2],
    [2, 3],
  ]);
});

test("the next choice takes the place of the shown one, and a click needs time to read it", () => {
  const state = offered();
  const lost = { ...state, offers: withoutTaken(state, (id) => id === 1, NOW) };
  assert.deepEqual(shown(lost), [
    [4, 5],
    [2, 3],
  ]);
  assert.equal(view(lost).entries[0].lost, true);
  assert.deepEqual([view(lost).locked, view(lost, NOW + READING_MS).locked], [true, false]);
  const chosen = { ...lost, offers: withChoice(lost, "VIP", 2) };
  assert.equal(view(chosen).entries[0].lost, false);
  // The loss of an alternative is no news.
  const fewer = { ...state, offers: withoutTaken(state, (id) => id === 4, NOW) };
  assert.deepEqual([view(fewer).entries[0].lost, view(fewer).locked, shown(fewer).length], [false, false, 2]);
});

test("after the loss of all choices nothing is booked before the next search", () => {
  const state = offered();
  const none = { ...state, offers: withoutTaken(state, (id) => id === 2 || id === 5, NOW - 60_000) };
  assert.deepEqual([view(none).searches, view(none).locked], [WANTED, true]);
  const found = { ...none, offers: withOffer(none, "VIP", { quantity: 2, choices: [choice(3, 6)] }, TIMES) };
  assert.deepEqual([view(found).entries[0].lost, shown(found)], [true, [[3, 6]]]);
  assert.equal(isUnseen(found, WANTED, NOW), true);
  assert.equal(isUnseen(found, WANTED, NOW + READING_MS), false);
  // Another number of tickets has lost nothing.
  const other = { ...none, offers: withOffer(none, "VIP", { quantity: 1, choices: [choice(3)] }, TIMES) };
  assert.deepEqual(other.offers.VIP.taken, []);
});

test("a visitor who keeps losing seats lets the API choose", () => {
  const state = offered();
  const lost = { ...state, offers: withoutTaken(state, () => true, NOW) };
  assert.equal(view(lost).locked, true);
  const open = { ...lost, offers: withOpenChoice(lost, "VIP") };
  assert.deepEqual([view(open).locked, view(open).searches, view(open).has_offers], [false, [], false]);
  assert.deepEqual(JSON.parse(view(open).items), [{ tier: "VIP", quantity: 2, ticketIds: [] }]);
  assert.deepEqual(view({ ...open, quantities: { VIP: 3 } }).searches, [{ tier: "VIP", quantity: 3 }]);
});

test("only newer seat states take an offered seat, and not while it is being booked", () => {
  const state = offered();
  /** @param {number} seconds @param {boolean} mayLosePicks */
  const after = (seconds, mayLosePicks) =>
    shown({
      ...state,
      ...applyStates(
        state,
        { body: { tiers: {}, rows: rows("saaaaaaaaaaa") }, asOf: at(seconds) },
        { ...TIMES, mayLosePicks },
      ),
    })[0];
  assert.deepEqual(after(0, true), [1, 2]);
  assert.deepEqual(after(1, false), [1, 2]);
  assert.deepEqual(after(1, true), [4, 5]);
});

test("a choice is described by its rows", () => {
  const apart = { ...choice(1, 2, 9), rows: ["A", "A", "C"], numbers: [7, 3, 9], zone: null, together: false };
  assert.deepEqual(describeChoice(apart), {
    first: 1,
    zone: "",
    together: false,
    single: false,
    rows: [
      { row: "A", seats: 2, numbers: "7, 3" },
      { row: "C", seats: 1, numbers: "9" },
    ],
  });
  assert.deepEqual(describeChoice(choice(10, 9)).rows, [{ row: "A", seats: 2, numbers: "9–10" }]);
  assert.equal(describeChoice(choice(9)).single, true);
});
