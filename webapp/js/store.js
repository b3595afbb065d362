// A store that pages are drawn from. Equal parts keep their identity, so that only real changes are drawn.

/**
 * @template Value
 * @typedef {object} Store
 * @property {() => Value} get
 * @property {(next: Value) => void} set
 * @property {(listener: () => void) => () => void} subscribe returns the function that ends the subscription
 */

/**
 * Create a store. It calls its listeners only if a new value differs from the last one in some part.
 * @template Value
 * @param {Value} initial
 * @returns {Store<Value>}
 */
export function createStore(initial) {
  /** @type {Set<() => void>} */
  const listeners = new Set();
  let value = initial;
  return {
    get: () => value,
    set(next) {
      const shared = share(value, next);
      if (shared === value) return;
      value = shared;
      for (const listener of listeners) listener();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

/**
 * Return a value equal to `next` that consists of the parts of `last` wherever the two are equal.
 * @template Value
 * @param {unknown} last
 * @param {Value} next plain objects and arrays are compared by their parts, everything else by identity
 * @returns {Value}
 */
export function share(last, next) {
  if (Object.is(last, next)) return next;
  if (!isPlain(last) || !isPlain(next) || Array.isArray(last) !== Array.isArray(next)) return next;
  /** @type {Record<string, unknown>} */
  const shared = Array.isArray(next) ? /** @type {any} */ ([]) : {};
  for (const name of Object.keys(next)) shared[name] = share(last[name], next[name]);
  const names = Object.keys(shared);
  const isSame =
    names.length === Object.keys(last).length && names.every((name) => name in last && shared[name] === last[name]);
  return /** @type {any} */ (isSame ? last : shared);
}

/**
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
const isPlain = (value) => Array.isArray(value) || (value != null && Object.getPrototypeOf(value) === Object.prototype);
