import assert from "node:assert/strict";
import { test } from "node:test";

import { UNREACHABLE } from "../../../../webapp/js/booking_api.js";
import { searchSeats } from "../../../../webapp/js/event/search.js";
import { choice } from "./examples.js";

/**
 * Search beside picked seats; `found` has the choices that the API returns for each quantity.
 * @param {Record<number, number[][]>} found
 * @param {number[]} picked
 */
async function search(found, picked) {
  /** @type {number[]} */
  const quantities = [];
  const seats = await searchSeats("evening", "VIP", 2, picked, async (_event, _tier, quantity) => {
    quantities.push(quantity);
    return found[quantity] ? { choices: found[quantity].map((ids) => choice(...ids)) } : UNREACHABLE;
  });
  return { seats, quantities };
}

test("the best choice without a picked seat is found", async () => {
  assert.deepEqual(
    await search(
      {
        2: [
          [1, 2],
          [3, 4],
        ],
      },
      [],
    ),
    { seats: [1, 2], quantities: [2] },
  );
  assert.deepEqual(
    await search(
      {
        2: [
          [1, 2],
          [2, 3],
          [5, 6],
        ],
      },
      [2],
    ),
    { seats: [5, 6], quantities: [2] },
  );
});

test("if each choice contains a picked seat, a larger group has other seats", async () => {
  const found = {
    2: [
      [1, 2],
      [2, 3],
    ],
    3: [
      [2, 3, 4],
      [1, 2, 3],
    ],
    4: [[5, 6, 7, 8]],
  };
  assert.deepEqual(await search(found, [2]), { seats: [3, 4], quantities: [2, 3] });
  assert.deepEqual(
    await search(
      {
        ...found,
        2: [
          [1, 2],
          [3, 4],
        ],
      },
      [2, 3],
    ),
    { seats: [5, 6], quantities: [2, 4] },
  );
});

test("without a response there are no seats", async () => {
  assert.deepEqual(await search({}, [2]), { seats: [], quantities: [2] });
  assert.deepEqual(await search({ 2: [[1, 2]] }, [2]), { seats: [], quantities: [2, 3] });
});
