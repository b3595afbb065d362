import assert from "node:assert/strict";
import { test } from "node:test";

import { EMPTY_LAYOUT, hasSameSeats, layOut, nearestSeats, neighbour } from "../../../../webapp/js/event/seating.js";
import { rows } from "./examples.js";

/**
 * Return rows as the API does. Ids are numbered through, from 1.
 * @param {[tier: string, row: string, length: number][]} plan
 */
function rowsOf(plan) {
  let id = 0;
  return plan.map(([tier, row, length]) => {
    const numbers = Array.from({ length }, (_, index) => index + 1);
    return { tier, row, ids: numbers.map(() => ++id), numbers, states: "a".repeat(length) };
  });
}

/** @param {[tier: string, row: string, length: number][]} plan */
const layoutOf = (...plan) => layOut(rowsOf(plan));

/**
 * @param {import("../../../../webapp/js/event/seating.js").Layout} layout
 * @param {number} id
 */
function seatOf(layout, id) {
  const seat = layout.seats.get(id);
  assert.ok(seat);
  return seat;
}

/** @param {{ id: number }[]} seats */
const idsOf = (seats) => seats.map(({ id }) => id);

const everySeat = () => true;

/** @param {number[]} ids */
const allBut =
  (...ids) =>
  (/** @type {number} */ id) =>
    !ids.includes(id);

test("an event without rows has the empty layout", () => {
  assert.equal(layOut([]), EMPTY_LAYOUT);
});

test("rows are centred, with a wider gap between tiers", () => {
  const layout = layoutOf(["VIP", "A", 4], ["VIP", "B", 2], ["GA", "C", 4]);
  assert.equal(layout.columns, 4);
  for (const { seats } of layout.rows) assert.equal((seats[0].x + seats[seats.length - 1].x) / 2, layout.middle);
  const [a, b, c] = layout.rows.map(({ seats }) => seats[1].y);
  assert.ok(b > a);
  assert.ok(c - b > b - a);
  assert.deepEqual(
    layout.sections.map(({ name, tone }) => [name, tone]),
    [
      ["VIP", 0],
      ["GA", 1],
    ],
  );
  assert.deepEqual(
    layout.rows.map(({ tone }) => tone),
    [0, 0, 1],
  );
  assert.deepEqual([...layout.seats.keys()], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

test("rows bend around the stage, and no seat reaches into it", () => {
  const layout = layoutOf(["VIP", "A", 41]);
  const [{ seats, labels }] = layout.rows;
  assert.ok(seats[0].y < seats[20].y);
  assert.equal(seats[0].y, seats[40].y);
  assert.equal(Math.min(...seats.map(({ y }) => y)), 112);
  assert.ok(0 < labels[0].x && labels[0].x < seats[0].x);
  assert.ok(seats[40].x < labels[1].x && labels[1].x < layout.width);
  // The labels follow the bend.
  assert.ok(labels[0].y < seats[0].y);
  assert.ok(layout.sections[0].y < seats[20].y);
  assert.ok(layout.height > Math.max(...seats.map(({ y }) => y)));
});

test("colours repeat after the fourth tier", () => {
  const layout = layoutOf(["1", "A", 1], ["2", "B", 1], ["3", "C", 1], ["4", "D", 1], ["5", "E", 1]);
  assert.deepEqual(
    layout.sections.map(({ tone }) => tone),
    [0, 1, 2, 3, 0],
  );
});

test("a layout is compared with rows by the ids of their seats", () => {
  const rows = rowsOf([
    ["VIP", "A", 2],
    ["VIP", "B", 2],
  ]);
  const layout = layOut(rows);
  assert.ok(hasSameSeats(layout, rows));
  assert.ok(hasSameSeats(layout, [{ ...rows[0], states: "sh" }, rows[1]]));
  assert.ok(!hasSameSeats(layout, rows.slice(1)));
  assert.ok(!hasSameSeats(layout, [rows[1], rows[0]]));
  assert.ok(!hasSameSeats(layout, [rows[0], { ...rows[1], ids: [3] }]));
  assert.ok(!hasSameSeats(layout, [rows[0], { ...rows[1], ids: [3, 9] }]));
});

test("the nearest seats come first", () => {
  const layout = layoutOf(["VIP", "A", 9]);
  // The row bends away to the right, so the seat on the left is nearer.
  assert.deepEqual(idsOf(nearestSeats(layout, seatOf(layout, 7), everySeat, 4)), [6, 8, 5, 9]);
  const rows = layoutOf(["VIP", "A", 3], ["VIP", "B", 3]);
  assert.deepEqual(idsOf(nearestSeats(rows, seatOf(rows, 5), everySeat, 3).toSorted((a, b) => a.id - b.id)), [2, 4, 6]);
});

test("the nearest free seats belong to the same tier", () => {
  const layout = layoutOf(["VIP", "A", 4], ["GA", "B", 4]);
  const seat = seatOf(layout, 1);
  assert.deepEqual(idsOf(nearestSeats(layout, seat, everySeat)), [2]);
  assert.deepEqual(idsOf(nearestSeats(layout, seat, everySeat, 9)), [2, 3, 4]);
  assert.deepEqual(idsOf(nearestSeats(layout, seat, allBut(2, 3), 9)), [4]);
  assert.deepEqual(
    nearestSeats(layout, seat, () => false),
    [],
  );
});

test("arrow keys follow rows and columns, and stop at the edges", () => {
  const layout = layoutOf(["VIP", "A", 3], ["VIP", "B", 5]);
  /**
   * @param {number} id
   * @param {string} key
   */
  const from = (id, key) => neighbour(layout, seatOf(layout, id), key)?.id;
  assert.equal(from(2, "ArrowLeft"), 1);
  assert.equal(from(2, "ArrowRight"), 3);
  assert.equal(from(2, "ArrowDown"), 6);
  assert.equal(from(8, "ArrowUp"), 3);
  assert.equal(from(6, "Home"), 4);
  assert.equal(from(6, "End"), 8);
  assert.equal(from(1, "ArrowLeft"), undefined);
  assert.equal(from(3, "ArrowRight"), undefined);
  assert.equal(from(1, "ArrowUp"), undefined);
  assert.equal(from(8, "ArrowDown"), undefined);
  assert.equal(from(2, "x"), undefined);
});

test("renamed tiers, rows and seats get a new layout", () => {
  const layout = layOut(rows());
  const [first, ...others] = rows();
  assert.ok(hasSameSeats(layout, rows("s".repeat(12))));
  for (const changed of [{ tier: "Gold" }, { row: "AA" }, { numbers: [1, 2, 4] }, { ids: [1, 2, 13] }])
    assert.ok(!hasSameSeats(layout, [{ ...first, ...changed }, ...others]), JSON.stringify(changed));
});
