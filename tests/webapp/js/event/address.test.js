import assert from "node:assert/strict";
import { test } from "node:test";

import { readSeats } from "../../../../webapp/js/event/address.js";

test("ids of seats are read from the address, up to the limit", () => {
  assert.deepEqual(readSeats("?seats=3,1,2", 10), [3, 1, 2]);
  assert.deepEqual(readSeats("?a=b&seats=1,2,3,4", 3), [1, 2, 3]);
});

test("a seat is read once", () => {
  assert.deepEqual(readSeats("?seats=2,1,2,01,1.0", 10), [2, 1]);
});

test("anything else in the address is ignored", () => {
  assert.deepEqual(readSeats("", 10), []);
  assert.deepEqual(readSeats("?seats=", 10), []);
  assert.deepEqual(readSeats("?seats=x,-1,0,1.5,1e300,7", 10), [7]);
});
