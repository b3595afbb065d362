import assert from "node:assert/strict";
import { test } from "node:test";

import { deriveView } from "../../../../webapp/js/event/derive.js";
import { layOut } from "../../../../webapp/js/event/seating.js";
import { INITIAL_STATE } from "../../../../webapp/js/event/state.js";
import { at, counts, EVENT, loaded, NOW, rows, seatStates, seats } from "./examples.js";

/** @import { Surroundings } from "../../../../webapp/js/event/derive.js" */
/** @import { EventState } from "../../../../webapp/js/event/state.js" */

/**
 * @param {EventState} state
 * @param {Partial<Surroundings>} [surroundings]
 */
const view = (state, surroundings = {}) =>
  deriveView(state, {
    now: NOW,
    serverNow: NOW,
    ticketsMax: 10,
    checkout: { locked: false, wait: 0 },
    ...surroundings,
  });

test("the page is loading, found, missing or away", () => {
  assert.equal(view(INITIAL_STATE).page, "loading");
  assert.equal(view({ ...INITIAL_STATE, failed: true }).page, "away");
  assert.equal(view({ ...INITIAL_STATE, failed: true, missing: true }).page, "missing");
  assert.equal(view(loaded({ failed: true, missing: true })).page, "found");
});

test("counts are loading, unreachable, live or stale", () => {
  assert.equal(view(loaded({ counts: null })).phase, "loading");
  assert.equal(view(loaded({ counts: null, failed: true })).phase, "unreachable");
  const live = view(loaded(), { now: NOW + 10_000 });
  assert.deepEqual([live.phase, live.age], ["live", 0]);
  const stale = view(loaded(), { now: NOW + 10_400 });
  assert.deepEqual([stale.phase, stale.age], ["stale", 10]);
});

test("beside a seat map the older snapshot decides the age", () => {
  assert.equal(view(loaded({ statesFreshAt: NOW - 20_000 })).age, 20);
  assert.equal(view(loaded({ countsFreshAt: NOW - 20_000 })).age, 20);
  const standing = { layout: INITIAL_STATE.layout, statesFreshAt: 0 };
  assert.equal(view(loaded(standing)).phase, "live");
});

test("an upcoming sale counts down by the server's clock and is locked", () => {
  const state = loaded({ event: { ...EVENT, salesStartAt: at(90) } });
  const upcoming = view(state, { now: NOW + 3_600_000, serverNow: NOW + 30_000 });
  assert.equal(upcoming.opens_in, 60);
  assert.equal(upcoming.locked, true);
  assert.equal(view(loaded()).opens_in, 0);
});

test("the quantity stays within the limit and what is left", () => {
  const wanted = loaded({ quantity: 8 });
  assert.deepEqual(
    [view(wanted).quantity, view(wanted).limit, view(wanted).total, view(wanted).most],
    [6, 6, 600, true],
  );
  assert.equal(view(wanted, { ticketsMax: 4 }).quantity, 4);
  assert.equal(view(wanted, { ticketsMax: 4 }).scarce, false);
  // Before the counts are known nothing but the limit bounds it.
  assert.equal(view(loaded({ quantity: 8, counts: null })).quantity, 8);
  const one = view(loaded());
  assert.deepEqual([one.quantity, one.fewest, one.most], [1, true, false]);
  assert.equal(view(loaded({ quantity: 2 })).fewest, false);
  const last = view(loaded({ counts: counts(1, 6, 100) }));
  assert.deepEqual([last.bookable, last.limit, last.scarce, last.total], [true, 1, true, 100]);
});

test("the chosen tier's fields are shown, and nothing without one", () => {
  const holds = { VIP: { held: 6, heldUntil: at(30) } };
  const held = view(loaded({ counts: counts(0, 6, 100), emptySince: { VIP: at(0) }, holds }));
  assert.deepEqual([held.tier, held.price, held.seated, held.back_in], ["VIP", 100, true, 30]);
  const none = view(loaded({ tier: "" }));
  assert.deepEqual([none.tier, none.price, none.seated, none.back_in], ["", 0, false, 0]);
  const alone = view(loaded({ counts: counts(6, 0, 0) }));
  assert.deepEqual([alone.next_best, alone.next_best_price], ["", 0]);
});

test("picked seats determine the quantity", () => {
  const state = loaded({ picks: [2, 3], quantity: 5 });
  assert.equal(view(state).quantity, 2);
  assert.deepEqual(view(state).picks, [
    { id: 2, tier: "VIP", row: "A", number: 2 },
    { id: 3, tier: "VIP", row: "A", number: 3 },
  ]);
});

test("an empty tier books nothing and offers the tier nearest in price", () => {
  const gone = view(loaded({ counts: counts(0, 6, 100), emptySince: { VIP: at(0) } }));
  assert.deepEqual(
    [gone.bookable, gone.total, gone.tier_sold_out, gone.locked, gone.next_best, gone.next_best_price],
    [false, 0, true, true, "Front Row", 50],
  );
  assert.equal(gone.sold_out, false);
  const emptySince = { VIP: at(0), "Front Row": at(0), GA: at(0) };
  assert.equal(view(loaded({ counts: counts(0, 0, 0), emptySince })).sold_out, true);
  const single = { event: { ...EVENT, tiers: EVENT.tiers.slice(0, 1) }, counts: counts(0, 0, 0), emptySince };
  assert.equal(view(loaded(single)).sold_out, true);
  assert.equal(view(loaded({ ...single, event: { ...EVENT, tiers: [] } })).sold_out, false);
});

test("the nearest open seats are offered for a lost seat", () => {
  const state = loaded({ picks: [1], seatStates: seatStates({ 2: "s" }) });
  const lost = view({ ...state, lost: seats(state, 2) });
  assert.deepEqual(
    lost.offers.map(({ id }) => id),
    [4, 5, 3],
  );
  assert.deepEqual(
    lost.lost.map(({ id }) => id),
    [2],
  );
  assert.equal(lost.locked, true);
  const unpicked = view({ ...state, picks: [], lost: seats(state, 2) });
  assert.equal(unpicked.offers.length, 3);
  assert.deepEqual(view(state).offers, []);
});

test("stale data, unknown seats and a locked checkout lock the page", () => {
  assert.equal(view(loaded()).locked, false);
  assert.equal(view(loaded(), { now: NOW + 11_000 }).locked, true);
  assert.equal(view(loaded({ picks: [99] })).locked, true);
  assert.equal(view(loaded(), { checkout: { locked: true, wait: 5 } }).locked, true);
});

test("a seat map is possible until the seat states are known", () => {
  const unread = { layout: INITIAL_STATE.layout, statesAsOf: "" };
  const loading = view(loaded(unread));
  assert.deepEqual([loading.may_have_map, loading.has_map, loading.map_away], [true, false, false]);
  assert.equal(view(loaded({ ...unread, statesFailed: true })).map_away, true);
  assert.equal(view(loaded({ ...unread, statesFailed: true, tier: "GA" })).map_away, false);
  assert.equal(view(loaded({ layout: INITIAL_STATE.layout })).may_have_map, false);
  assert.equal(view(loaded({ layout: layOut(rows().slice(0, 1)) })).has_map, true);
  assert.equal(view(loaded()).has_map, true);
});

test("the sections of the map have their tiers' prices", () => {
  assert.deepEqual(
    view(loaded()).sections.map(({ name, price }) => [name, price]),
    [
      ["VIP", 100],
      ["Front Row", 50],
    ],
  );
});

test("a tier that the counts do not contain is unknown, and neither sold out nor empty", () => {
  const { GA, ...others } = counts(6, 6, 100);
  for (const changed of [
    { ...others, Standing: GA },
    { ...others, GA: { ...GA, price: 99 } },
  ]) {
    const derived = view(loaded({ counts: changed, tier: "GA" }));
    const tier = derived.tiers.find(({ name }) => name === "GA");
    assert.deepEqual([tier?.known, tier?.sold_out, tier?.all_held, tier?.low], [false, false, false, false]);
    assert.deepEqual(
      [derived.tier_known, derived.tier_sold_out, derived.bookable, derived.locked],
      [false, false, false, true],
    );
    assert.deepEqual([derived.sold_out, derived.limit], [false, 10]);
  }
  const known = view(loaded({ tier: "GA" }));
  assert.deepEqual([known.tier_known, known.bookable, known.limit], [true, true, 10]);
});
