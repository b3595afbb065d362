import assert from "node:assert/strict";
import { test } from "node:test";

import { bestAvailable, draw, isDrawnOf, NO_HOUSE, nearest, step } from "../../../../webapp/js/event/seating.js";

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
const houseOf = (...plan) => draw(rowsOf(plan));

/**
 * @param {import("../../../../webapp/js/event/seating.js").House} house
 * @param {number} id
 */
function seatOf(house, id) {
  const seat = house.seats.get(id);
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

test("an event without rows has the empty house", () => {
  assert.equal(draw([]), NO_HOUSE);
});

test("rows are centred, and the gap between tiers is wider than between rows", () => {
  const house = houseOf(["VIP", "A", 4], ["VIP", "B", 2], ["GA", "C", 4]);
  assert.equal(house.columns, 4);
  for (const { seats } of house.rows) assert.equal((seats[0].x + seats[seats.length - 1].x) / 2, house.middle);
  const [a, b, c] = house.rows.map(({ seats }) => seats[1].y);
  assert.ok(b > a);
  assert.ok(c - b > b - a);
  assert.deepEqual(
    house.tiers.map(({ name, tone }) => [name, tone]),
    [
      ["VIP", 0],
      ["GA", 1],
    ],
  );
  assert.deepEqual(
    house.rows.map(({ tone }) => tone),
    [0, 0, 1],
  );
  assert.deepEqual([...house.seats.keys()], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

test("rows bend around the stage, and no seat reaches into it", () => {
  const house = houseOf(["VIP", "A", 41]);
  const [{ seats, labels }] = house.rows;
  assert.ok(seats[0].y < seats[20].y);
  assert.equal(seats[0].y, seats[40].y);
  assert.equal(Math.min(...seats.map(({ y }) => y)), 112);
  assert.ok(labels[0].x < seats[0].x);
  assert.ok(labels[1].x > seats[40].x);
  assert.ok(house.height > Math.max(...seats.map(({ y }) => y)));
});

test("colours repeat after the fourth tier", () => {
  const house = houseOf(["1", "A", 1], ["2", "B", 1], ["3", "C", 1], ["4", "D", 1], ["5", "E", 1]);
  assert.deepEqual(
    house.tiers.map(({ tone }) => tone),
    [0, 1, 2, 3, 0],
  );
});

test("a house is compared with rows by the ids of their seats", () => {
  const rows = rowsOf([
    ["VIP", "A", 2],
    ["VIP", "B", 2],
  ]);
  const house = draw(rows);
  assert.ok(isDrawnOf(house, rows));
  assert.ok(isDrawnOf(house, [{ ...rows[0], states: "sh" }, rows[1]]));
  assert.ok(!isDrawnOf(house, rows.slice(1)));
  assert.ok(!isDrawnOf(house, [rows[1], rows[0]]));
  assert.ok(!isDrawnOf(house, [rows[0], { ...rows[1], ids: [3] }]));
});

test("the nearest free seats are of the same tier and exclude the seat itself", () => {
  const house = houseOf(["VIP", "A", 4], ["GA", "B", 4]);
  const seat = seatOf(house, 1);
  assert.deepEqual(idsOf(nearest(house, seat, everySeat)), [2]);
  assert.deepEqual(idsOf(nearest(house, seat, everySeat, 9)), [2, 3, 4]);
  assert.deepEqual(idsOf(nearest(house, seat, allBut(2, 3), 9)), [4]);
  assert.deepEqual(
    nearest(house, seat, () => false),
    [],
  );
});

test("the best seats are adjacent, in the front row's middle", () => {
  const house = houseOf(["VIP", "A", 6], ["VIP", "B", 6]);
  assert.deepEqual(idsOf(bestAvailable(house, "VIP", 2, everySeat)), [3, 4]);
  assert.deepEqual(idsOf(bestAvailable(house, "VIP", 1, everySeat)), [3]);
  // Only row B still has four adjacent seats.
  assert.deepEqual(idsOf(bestAvailable(house, "VIP", 4, allBut(4))), [8, 9, 10, 11]);
});

test("seats whose numbers are not consecutive are not adjacent", () => {
  const [row] = rowsOf([["VIP", "A", 4]]);
  const house = draw([{ ...row, numbers: [1, 2, 4, 5] }]);
  assert.deepEqual(idsOf(bestAvailable(house, "VIP", 2, allBut(1))), [3, 4]);
});

test("without enough adjacent seats the best single ones are taken", () => {
  const house = houseOf(["VIP", "A", 5], ["GA", "B", 5]);
  assert.deepEqual(idsOf(bestAvailable(house, "VIP", 3, allBut(2, 4))), [3, 1, 5]);
  assert.deepEqual(idsOf(bestAvailable(house, "VIP", 3, allBut(1, 2, 4))), [3, 5]);
  assert.deepEqual(bestAvailable(house, "Balcony", 1, everySeat), []);
});

test("arrow keys follow rows and columns, and stop at the edges", () => {
  const house = houseOf(["VIP", "A", 3], ["VIP", "B", 5]);
  /**
   * @param {number} id
   * @param {string} key
   */
  const from = (id, key) => step(house, seatOf(house, id), key)?.id;
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
