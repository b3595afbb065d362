// A stand-in for the storage of a browser.

/** Return a storage area without a browser: its entries are its properties, as in a browser. */
export function area() {
  const methods = {
    getItem: (/** @type {string} */ name) => entries[name] ?? null,
    setItem: (/** @type {string} */ name, /** @type {string} */ value) => {
      entries[name] = value;
    },
    removeItem: (/** @type {string} */ name) => void delete entries[name],
  };
  /** @type {Record<string, string> & typeof methods} */
  const entries = Object.create(methods);
  return entries;
}
