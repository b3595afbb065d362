import assert from "node:assert/strict";
import { test } from "node:test";

import { countsOf } from "../../../../webapp/js/checkout/purchase.js";
import { deriveView } from "../../../../webapp/js/event/derive.js";
import { layOut } from "../../../../webapp/js/event/seating.js";
import { INITIAL_STATE } from "../../../../webapp/js/event/state.js";
import { at, counts, EVENT, limited, loaded, NOW, rows, seatStates, seats } from "./examples.js";

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
    checkout: { locked: false, wait: 0 },
    isOwn: () => false,
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

/** @param {ReturnType<typeof view>} derived */
const steppers = ({ tiers }) => tiers.map(({ wanted, fewest, most }) => [wanted, fewest, most]);

test("the quantity stays within the limit and what is left", () => {
  const wanted = loaded({ quantities: { VIP: 8 } });
  const { quantity, limit, total, scarce, entries } = view(wanted);
  assert.deepEqual([quantity, limit, total, scarce], [6, 6, 600, true]);
  // The entry shows that fewer are left than the visitor has chosen.
  assert.deepEqual([entries[0].quantity, entries[0].fault], [6, "fewer"]);
  assert.deepEqual(steppers(view(wanted))[0], [6, false, true]);
  assert.equal(view({ ...wanted, event: limited(4) }).scarce, false);
  // Before the counts are known nothing bounds it.
  assert.equal(view(loaded({ quantities: { VIP: 8 }, counts: null })).quantity, 8);
  assert.deepEqual(steppers(view(loaded()))[0], [1, true, false]);
  assert.deepEqual(steppers(view(loaded({ quantities: { VIP: 2 } })))[0], [2, false, false]);
  const last = view(loaded({ counts: counts(1, 6, 100) }));
  assert.deepEqual([last.bookable, last.limit, last.scarce, last.total], [true, 1, true, 100]);
});

test("every tier has its own number of tickets, and the limit is that of the basket", () => {
  const state = loaded({ quantities: { GA: 2 }, picks: [1, 8] });
  assert.deepEqual(steppers(view({ ...state, lost: seats(state, 2) })), [
    [2, false, false],
    [1, false, false],
    [2, false, false],
  ]);
  const full = view({ ...state, event: limited(4) });
  assert.deepEqual(steppers(full), [
    [1, false, true],
    [1, false, true],
    [2, false, true],
  ]);
  assert.deepEqual([full.full, full.most_tickets], [true, 4]);
  // The first ticket of another tier takes the place of the preset one, whatever the limit.
  assert.deepEqual(steppers(view(loaded({ event: limited(1) }))), [
    [1, true, true],
    [0, true, false],
    [0, true, false],
  ]);
});

test("an event and its tiers have limits of their own", () => {
  const [vip, frontRow, ga] = EVENT.tiers;
  const tiers = [vip, { ...frontRow, ticketsMin: 2 }, { ...ga, ticketsMax: 3 }];
  const event = { ...EVENT, ticketsMax: 4, tiers };
  const few = view(loaded({ event, tier: "GA", quantities: { GA: 3 } }));
  assert.deepEqual([few.limit, few.scarce, few.tier_full, few.full, few.most_tickets], [3, false, true, false, 4]);
  assert.deepEqual(
    steppers(few).map(([, , most]) => most),
    [false, false, true],
  );
  assert.equal(view(loaded({ event, quantities: { VIP: 4 } })).full, true);
  const single = view(loaded({ event, picks: [8], quantities: { VIP: 1 } }));
  assert.deepEqual([single.short_tier, single.short_fewest, single.locked], ["Front Row", 2, true]);
  const pair = view(loaded({ event, picks: [8, 9] }));
  assert.deepEqual([pair.short_tier, pair.locked], ["", false]);
  // The page chooses as many tickets as a booking needs.
  assert.equal(view(loaded({ event, tier: "Front Row" })).quantity, 2);
  const groups = view(loaded({ event: { ...EVENT, ticketsMin: 4 }, quantities: { GA: 3 } }));
  assert.deepEqual([groups.too_few, groups.fewest_tickets, groups.locked], [true, 4, true]);
  assert.equal(view(loaded({ event: { ...EVENT, ticketsMin: 4 } })).quantity, 4);
});

test("the basket has an entry for the tickets of each tier and for each seat", () => {
  const state = loaded({ quantities: { GA: 2, VIP: 1 }, picks: [8, 2] });
  const { entries, quantity, total, only_tier, has_chips, quantities, tickets, items } = view(state);
  assert.deepEqual(
    entries.map((entry) => [entry.key, entry.tier, entry.quantity, entry.row, entry.number, entry.fault]),
    [
      ["tier VIP", "VIP", 1, "", 0, ""],
      ["tier GA", "GA", 2, "", 0, ""],
      ["seat 8", "Front Row", 1, "C", 2, ""],
      ["seat 2", "VIP", 1, "A", 2, ""],
    ],
  );
  assert.deepEqual([quantity, total, only_tier, has_chips], [5, 270, "", true]);
  assert.deepEqual(quantities, { VIP: 2, "Front Row": 1, GA: 2 });
  assert.deepEqual(JSON.parse(items), [
    { tier: "VIP", quantity: 1, ticketIds: [] },
    { tier: "GA", quantity: 2, ticketIds: [] },
    { tier: "Front Row", quantity: 1, ticketIds: [8] },
    { tier: "VIP", quantity: 1, ticketIds: [2] },
  ]);
  assert.equal(tickets, countsOf(JSON.parse(items)));
});

test("an entry by number that is the only one has no chip, because the line of the total names it", () => {
  for (const changes of [{}, { quantities: { VIP: 2 } }]) {
    const { has_chips, only_tier } = view(loaded(changes));
    assert.deepEqual([has_chips, only_tier], [false, "VIP"]);
  }
  for (const changes of /** @type {Partial<EventState>[]} */ ([
    { picks: [2] },
    { quantities: { VIP: 1, GA: 1 } },
    { quantities: { GA: 2 }, counts: counts(6, 6, 1) },
    { quantities: { GA: 2 }, counts: counts(6, 6, 0), emptySince: { GA: at(0) } },
  ]))
    assert.equal(view(loaded(changes)).has_chips, true);
});

test("an entry without tickets stays in the basket, and the rest can be booked", () => {
  const state = loaded({ quantities: { VIP: 1, GA: 2 }, counts: counts(6, 6, 0), emptySince: { GA: at(0) } });
  const { entries, bookable, some_bookable, locked, tier, tier_sold_out, next_best, total } = view(state);
  assert.deepEqual(
    entries.map(({ quantity, fault }) => [quantity, fault]),
    [
      [1, ""],
      [2, "gone"],
    ],
  );
  assert.deepEqual([bookable, some_bookable, locked, total], [true, true, false, 100]);
  assert.deepEqual([tier, tier_sold_out, next_best], ["GA", true, "Front Row"]);
  const seats = view(loaded({ quantities: { VIP: 1 }, picks: [2], counts: counts(1, 6, 100) }));
  assert.deepEqual([seats.entries[0].fault, seats.entries[1].fault], ["gone", ""]);
  const lost = view(loaded({ quantities: { Balcony: 1 } }));
  assert.deepEqual([lost.entries[0].fault, lost.tier, lost.locked], ["unknown", "Balcony", true]);
});

test("the entry that the API has refused is marked", () => {
  const refusal = { phase: "refused", tier: "", left: 0, at: NOW, over: false };
  const seat = { tier: "VIP", quantity: 1, ticketIds: [2] };
  const state = loaded({ quantities: { VIP: 1, GA: 2 }, picks: [2], refusal: { ...refusal, item: seat } });
  const faults = (/** @type {EventState} */ changed) => view(changed).entries.map(({ fault }) => fault);
  assert.deepEqual(faults(state), ["", "", "refused"]);
  assert.deepEqual(faults({ ...state, refusal: { ...refusal, item: { ...seat, ticketIds: [] } } }), [
    "refused",
    "",
    "",
  ]);
  assert.deepEqual(faults({ ...state, refusal: { ...refusal, item: seat, over: true } }), ["", "", ""]);
  assert.deepEqual(faults({ ...state, refusal: { ...refusal, item: null } }), ["", "", ""]);
});

test("the chosen tier's fields are shown, and nothing without one", () => {
  const holds = { VIP: { held: 6, heldUntil: at(30) } };
  const held = view(loaded({ counts: counts(0, 6, 100), emptySince: { VIP: at(0) }, holds }));
  assert.deepEqual([held.tier, held.seated, held.back_in], ["VIP", true, 30]);
  const none = view(loaded({ tier: "" }));
  assert.deepEqual([none.tier, none.seated, none.back_in, none.entries, none.locked], ["", false, 0, [], true]);
  const alone = view(loaded({ counts: counts(6, 0, 0) }));
  assert.deepEqual([alone.next_best, alone.next_best_total], ["", 0]);
});

test("the best seats are for tickets of a tier with seats, except for the seats that the visitor has picked", () => {
  const best = (/** @type {Partial<EventState>} */ changes) => view(loaded(changes)).best_quantity;
  assert.equal(best({}), 1);
  assert.equal(best({ tier: "GA", quantities: { GA: 1 } }), 0);
  assert.equal(best({ quantities: { GA: 1 } }), 0);
  assert.equal(best({ picks: [1] }), 0);
  assert.equal(best({ picks: [1, 2], quantities: { VIP: 2 } }), 2);
  assert.equal(best({ picks: [1, 2, 3], bestPicks: [2, 3], quantities: { VIP: 1 } }), 3);
  assert.equal(best({ quantities: { VIP: 5 }, picks: [1], counts: counts(4, 6, 100) }), 3);
  // After its tickets were removed, another tier of the basket takes its place.
  const other = view(loaded({ tier: "GA", quantities: { "Front Row": 1 } }));
  assert.deepEqual([other.changed_tier, other.best_tier, other.best_quantity], ["Front Row", "Front Row", 1]);
  // Without such tickets of the tier that was changed last, those of another tier are meant.
  const mixed = view(loaded({ tier: "Front Row", quantities: { VIP: 2 }, picks: [8] }));
  assert.deepEqual([mixed.changed_tier, mixed.best_tier, mixed.best_quantity], ["Front Row", "VIP", 2]);
});

test("an empty tier books nothing and offers the tier nearest in price", () => {
  const gone = view(loaded({ counts: counts(0, 6, 100), emptySince: { VIP: at(0) } }));
  assert.deepEqual(
    [gone.bookable, gone.total, gone.tier_sold_out, gone.locked, gone.next_best, gone.next_best_total],
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
