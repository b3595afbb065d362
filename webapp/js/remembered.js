// Values in browser storage. Only this module accesses the storage, because a browser may refuse each access. A value
// that the browser does not store lasts as long as the page.

import { readName } from "./text.js";

/**
 * Values under keys.
 * @typedef {object} Area
 * @property {(key: string) => string | null} get
 * @property {(key: string, value: string) => void} set
 * @property {(key: string) => void} remove
 * @property {() => string[]} keys
 */

/** The window of a page that is about to end. @type {Window | null} */
let ending = null;

/** Store nothing else in the browser for this page, which is about to end. Later responses may belong to a former visitor. */
export function sealStorage() {
  ending = window;
}

/**
 * Return the area of a storage.
 * @param {() => Storage} open blocked storage refuses even the access to `window.localStorage`
 * @returns {Area}
 */
function createArea(open) {
  /** Values that the storage did not take. @type {Map<string, string>} */
  const unstored = new Map();
  return {
    get: (key) => unstored.get(key) ?? attempt(() => open().getItem(key)),
    set(key, value) {
      unstored.set(key, value);
      if (globalThis.window === ending) return;
      attempt(() => {
        open().setItem(key, value);
        unstored.delete(key);
      });
    },
    remove(key) {
      unstored.delete(key);
      attempt(() => open().removeItem(key));
    },
    keys: () => [...new Set([...unstored.keys(), ...(attempt(() => Object.keys(open())) ?? [])])],
  };
}

/** Values of this tab: they survive a reload and the way back. */
export const tabArea = createArea(() => sessionStorage);
/** Values that all tabs of the browser share: they last until the next visit. */
export const sharedArea = createArea(() => localStorage);

export const recall = sharedArea.get;
export const remember = sharedArea.set;

const draftOf = (/** @type {string} */ key) => `draft:${key}`;

/**
 * Keep the text that the visitor is typing as the name of the buyer, until a name is stored or the tab is closed.
 * @param {string} key
 * @param {string} text
 */
export function keepDraft(key, text) {
  if (text === "") tabArea.remove(draftOf(key));
  else tabArea.set(draftOf(key), text);
}

/**
 * Return the text that the visitor was typing in this tab, else the stored name of the buyer.
 * @param {string} key
 */
export const recallDraft = (key) => tabArea.get(draftOf(key)) ?? recallName(key);

/**
 * Store the name of the buyer for the next visit.
 * @param {string} key
 * @param {string} name
 */
export function rememberName(key, name) {
  remember(key, name);
  tabArea.remove(draftOf(key));
}

/**
 * Return the stored name of the buyer, or "" without one. An earlier release stored names that the API refuses.
 * @param {string} key
 */
export function recallName(key) {
  const read = readName(recall(key) ?? "");
  return "name" in read ? read.name : "";
}

/**
 * Return the result of a use of the browser, or null if the browser refuses it.
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
