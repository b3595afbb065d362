import assert from "node:assert/strict";
import { test } from "node:test";

import { createPinch } from "../../../../webapp/js/event/pinch.js";

/** Return a pinch, the steps that it has reported, and a function that moves two fingers to a distance. */
function pinching() {
  /** @type {number[]} */
  const steps = [];
  const pinch = createPinch((step) => void steps.push(step));
  const spread = (/** @type {number} */ distance) =>
    pinch.move([
      { clientX: 50, clientY: 70 },
      { clientX: 50 + 0.6 * distance, clientY: 70 + 0.8 * distance },
    ]);
  return { pinch, steps, spread };
}

test("fingers that move apart or together report a step for each quarter", () => {
  const { steps, spread } = pinching();
  for (const distance of [100, 124, 125, 157]) spread(distance);
  assert.deepEqual(steps, [1, 1]);
  for (const distance of [126, 125]) spread(distance);
  assert.deepEqual(steps, [1, 1, -1]);
});

test("one finger or three report nothing", () => {
  const { pinch, steps } = pinching();
  const finger = (/** @type {number} */ clientX) => ({ clientX, clientY: 0 });
  pinch.move([finger(0)]);
  pinch.move([finger(0), finger(10), finger(500)]);
  pinch.move([finger(9)]);
  assert.deepEqual(steps, []);
});

test("lifted fingers start again at another distance", () => {
  const { pinch, steps, spread } = pinching();
  spread(100);
  pinch.end();
  spread(300);
  assert.deepEqual(steps, []);
});
