// The browser's network and page life cycle, as the checkout uses them.

/** @returns {boolean} */
export const isOnline = () => navigator.onLine;

/**
 * Wait for the network.
 * @param {number} ms Return after this time at the latest.
 * @returns {Promise<unknown>}
 */
export const untilOnline = (ms) =>
  Promise.race([sleep(ms), new Promise((resolve) => addEventListener("online", resolve, { once: true }))]);

/**
 * @param {number} ms
 * @returns {Promise<unknown>}
 */
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Call a function at each return of the page from the back/forward cache.
 * @param {() => void} listener
 * @returns {() => void} Ends it.
 */
export function onRestore(listener) {
  const restore = (/** @type {PageTransitionEvent} */ { persisted }) => persisted && listener();
  addEventListener("pageshow", restore);
  return () => removeEventListener("pageshow", restore);
}
