// The purchase whose key is not spent, in browser storage.
//
// `sessionStorage` has the tab's purchase: it survives a reload, the way back and a restored tab. While the outcome is
// unknown `localStorage` has a copy: it survives a crash of the browser and a closed tab. A tab holds a lock for its copy.
// A copy without a lock belongs to a tab that is gone, and the next tab adopts it. Where the browser has no locks (plain
// http), a second tab shares a purchase in doubt as a duplicated tab does: nothing is booked twice under one key.

import { attempt } from "../remembered.js";
import { parsePurchase } from "./purchase.js";

/** @typedef {import("./purchase.js").Purchase} Purchase */

const OPEN = "purchase";
const IN_DOUBT = "purchase-in-doubt:";

/** The tab's purchase where the browser stores nothing. @type {Purchase | null} */
let unstored = null;
/** @type {Map<string, () => void>} Functions that release the locks of this tab, by their names. */
const held = new Map();

/**
 * Return the tab's purchase whose key is not spent.
 * @returns {Purchase | null}
 */
export function openPurchase() {
  // Not from memory: another page of this tab may have settled it while this one was in the back/forward cache.
  return attempt(() => parsePurchase(sessionStorage.getItem(OPEN))) ?? unstored;
}

/**
 * Store the tab's purchase; null: its key is spent.
 * @param {Purchase | null} purchase
 */
export function keepPurchase(purchase) {
  const last = openPurchase();
  const stored = attempt(() => {
    if (purchase) sessionStorage.setItem(OPEN, JSON.stringify(purchase));
    else sessionStorage.removeItem(OPEN);
    return true;
  });
  unstored = stored ? null : purchase;
  if (last && !(purchase?.inDoubt && purchase.reference === last.reference)) release(last.reference);
  if (purchase?.inDoubt) guard(purchase);
}

/**
 * Take over a purchase in doubt from a tab that is gone, unless this tab has one in doubt itself.
 * @returns {Promise<void>}
 */
export async function adoptPurchase() {
  const copies = attempt(() => Object.keys(localStorage).filter((key) => key.startsWith(IN_DOUBT))) ?? [];
  if (copies.length === 0) return;
  const locks = await heldLocks();
  const orphan = copies.find((name) => !locks.includes(name));
  if (!orphan || openPurchase()?.inDoubt) return;
  const purchase = attempt(() => parsePurchase(localStorage.getItem(orphan)));
  if (purchase) keepPurchase(purchase);
  else attempt(() => localStorage.removeItem(orphan));
}

/**
 * Return the names of the locks that tabs hold: none if the browser refuses to list them.
 * @returns {Promise<(string | undefined)[]>}
 */
async function heldLocks() {
  try {
    return (await navigator.locks?.query())?.held?.map(({ name }) => name) ?? [];
  } catch {
    return [];
  }
}

/** @param {Purchase} purchase */
function guard(purchase) {
  const name = IN_DOUBT + purchase.reference;
  attempt(() => localStorage.setItem(name, JSON.stringify(purchase)));
  if (held.has(name) || !navigator.locks) return;
  // The lock lasts until the promise resolves or the tab ends, by a crash as well.
  const until = new Promise((/** @type {(value?: unknown) => void} */ resolve) => held.set(name, resolve));
  // A refused lock leaves the copy unguarded, as in a browser without locks.
  navigator.locks.request(name, { mode: "shared" }, () => until).catch(() => {});
}

/** @param {string} reference */
function release(reference) {
  const name = IN_DOUBT + reference;
  attempt(() => localStorage.removeItem(name));
  held.get(name)?.();
  held.delete(name);
}
