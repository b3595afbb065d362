// The keys that choose a code on the full screen. Pure functions.

/**
 * Return the index of the code after a key, or null if the key chooses none.
 * @param {string} key name of the key
 * @param {number} index position of the shown code, from 0
 * @param {number} last index of the last code
 * @param {boolean} rightToLeft true if the next code is on the left
 * @returns {number | null}
 */
export function indexAfter(key, index, last, rightToLeft) {
  switch (key) {
    case "Home":
      return 0;
    case "End":
      return last;
    case "ArrowRight":
    case "ArrowLeft": {
      const isNext = (key === "ArrowRight") !== rightToLeft;
      return Math.min(Math.max(index + (isNext ? 1 : -1), 0), last);
    }
    default:
      return null;
  }
}
