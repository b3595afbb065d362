import assert from "node:assert/strict";
import { test } from "node:test";

import { indexAfter } from "../../../../webapp/js/orders/full_screen_keys.js";

test("arrow keys lead to the neighbours and stop at both ends", () => {
  assert.deepEqual(
    [0, 1, 2].map((index) => indexAfter("ArrowRight", index, 2, false)),
    [1, 2, 2],
  );
  assert.deepEqual(
    [0, 1, 2].map((index) => indexAfter("ArrowLeft", index, 2, false)),
    [0, 0, 1],
  );
});

test("the next code is on the left in a script from right to left", () => {
  assert.equal(indexAfter("ArrowLeft", 0, 2, true), 1);
  assert.equal(indexAfter("ArrowRight", 1, 2, true), 0);
});

test("Home and End lead to the first and the last code, and other keys to none", () => {
  assert.equal(indexAfter("Home", 1, 2, false), 0);
  assert.equal(indexAfter("End", 1, 2, true), 2);
  for (const key of ["Tab", "Escape", "ArrowUp", "a"]) assert.equal(indexAfter(key, 1, 2, false), null);
});
