// Values that localStorage keeps for the next visit. If the browser blocks it, or it is full, they last as long as the page.

/** Values that localStorage did not take. @type {Map<string, string>} */
const unstored = new Map();

/**
 * Return the value under a key, or null.
 * @param {string} key
 * @returns {string | null}
 */
export const recall = (key) => unstored.get(key) ?? attempt(() => localStorage.getItem(key));

/**
 * Keep a value under a key.
 * @param {string} key
 * @param {string} value
 */
export function remember(key, value) {
  unstored.set(key, value);
  attempt(() => {
    localStorage.setItem(key, value);
    unstored.delete(key);
  });
}

/**
 * Return the result of a use of storage, or null if the browser refuses it. Blocked storage refuses even the access to
 * `window.localStorage`.
 * @template Value
 * @param {() => Value} use
 * @returns {Value | null}
 */
export function attempt(use) {
  try {
    return use();
  } catch {
    return null;
  }
}
