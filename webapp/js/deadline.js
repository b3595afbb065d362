// Deadlines that hold although the visitor may set the browser's clock and the computer may sleep.

/**
 * Begin a period, and return a function that returns true after its end.
 *
 * Setting the clock back would extend a period by the wall clock. Some browsers stop the monotonic clock while the
 * computer sleeps. The period therefore ends with the first of the two clocks.
 * @param {number} ms length of the period in milliseconds
 * @returns {() => boolean}
 */
export function startPeriod(ms) {
  const wallEnd = Date.now() + ms;
  const monotonicEnd = performance.now() + ms;
  return () => Date.now() >= wallEnd || performance.now() >= monotonicEnd;
}
