// Recognition of two fingers that move apart or together. Pure.

// A step is a quarter more or a fifth less distance between the fingers.
const APART = 1.25;
const TOGETHER = 0.8;

/** @typedef {{ clientX: number, clientY: number }} Finger */

/**
 * Create a recogniser of one element's touches.
 * @param {(step: 1 | -1) => void} onStep 1: the fingers move apart
 */
export function createPinch(onStep) {
  let distance = 0;
  return {
    /** @param {ArrayLike<Finger>} fingers that touch the element now */
    move({ length, 0: first, 1: second }) {
      if (length !== 2) return;
      const now = Math.hypot(first.clientX - second.clientX, first.clientY - second.clientY);
      if (distance === 0) distance = now;
      const ratio = now / distance;
      if (ratio < APART && ratio > TOGETHER) return;
      distance = now;
      onStep(ratio > 1 ? 1 : -1);
    },
    end() {
      distance = 0;
    },
  };
}
