// The purchase whose key is not spent, in browser storage.
//
// `sessionStorage` has the tab's purchase. It survives a reload, the way back and a restored tab. While the outcome is
// unknown, `localStorage` has a copy, which survives a crash of the browser and a closed tab. A tab holds a lock for its
// copy. The next tab adopts a copy without a lock. Without locks (plain http) a second tab shares a purchase in doubt,
// like a duplicated tab. One key never books twice.

import { attempt, sharedArea, tabArea } from "../remembered.js";
import { keepSecret } from "../secrets.js";
import { parsePurchase } from "./purchase.js";

/** @typedef {import("./purchase.js").Purchase} Purchase */

const OPEN = "purchase";
const IN_DOUBT = "purchase-in-doubt:";

/** @type {Map<string, () => void>} Functions that release the locks of this tab, by their names. */
const lockReleases = new Map();

/**
 * Return the tab's purchase whose key is not spent. Another page of this tab may have settled it while this page was in
 * the back/forward cache, so the function reads it each time.
 * @returns {Purchase | null}
 */
export const openPurchase = () => parsePurchase(tabArea.get(OPEN));

/**
 * Store the tab's purchase; null: its key is spent.
 * @param {Purchase | null} purchase
 */
export function keepPurchase(purchase) {
  const last = openPurchase();
  if (purchase) tabArea.set(OPEN, JSON.stringify(purchase));
  else tabArea.remove(OPEN);
  if (last && !(purchase?.inDoubt && purchase.reference === last.reference)) release(last.reference);
  if (!purchase?.inDoubt) return;
  guard(purchase);
  // A lookup of the order needs the secret, whatever happens to this page.
  if (purchase.secret) keepSecret(purchase.reference, purchase.secret);
}

/**
 * Take over a purchase in doubt from a closed tab, unless this tab has its own.
 * @returns {Promise<void>}
 */
export async function adoptPurchase() {
  const copies = sharedArea.keys().filter((key) => key.startsWith(IN_DOUBT));
  if (copies.length === 0) return;
  const locks = await heldLocks();
  const orphan = copies.find((name) => !locks.includes(name));
  if (!orphan || openPurchase()?.inDoubt) return;
  const purchase = parsePurchase(sharedArea.get(orphan));
  if (purchase) keepPurchase(purchase);
  else sharedArea.remove(orphan);
}

/**
 * Remove the copies of the purchases in doubt that a function does not accept.
 * @param {(reference: string) => boolean} mayStay
 */
export function forgetPurchases(mayStay) {
  const copies = sharedArea.keys().filter((key) => key.startsWith(IN_DOUBT));
  for (const key of copies) if (!mayStay(key.slice(IN_DOUBT.length))) sharedArea.remove(key);
}

/** Return the seats of the purchases in doubt of other tabs. */
export const seatsInDoubt = () =>
  sharedArea
    .keys()
    .filter((key) => key.startsWith(IN_DOUBT) && key !== IN_DOUBT + openPurchase()?.reference)
    .flatMap((key) => parsePurchase(sharedArea.get(key))?.items ?? [])
    .flatMap(({ ticketIds }) => ticketIds);

/** Return the browser's locks, or null if it has none or refuses them. */
const lockManager = () => attempt(() => navigator.locks) ?? null;

/**
 * Return the names of the locks that tabs hold: none if the browser refuses to list them.
 * @returns {Promise<(string | undefined)[]>}
 */
async function heldLocks() {
  try {
    return (await lockManager()?.query())?.held?.map(({ name }) => name) ?? [];
  } catch {
    return [];
  }
}

/** @param {Purchase} purchase */
function guard(purchase) {
  const name = IN_DOUBT + purchase.reference;
  sharedArea.set(name, JSON.stringify(purchase));
  const locks = lockManager();
  if (lockReleases.has(name) || !locks) return;
  // The lock lasts until the promise resolves or the tab ends, by a crash as well.
  const until = new Promise((/** @type {(value?: unknown) => void} */ resolve) => lockReleases.set(name, resolve));
  // A refused lock leaves the copy unguarded, as in a browser without locks.
  locks.request(name, { mode: "shared" }, () => until).catch(() => {});
}

/** @param {string} reference */
function release(reference) {
  const name = IN_DOUBT + reference;
  sharedArea.remove(name);
  lockReleases.get(name)?.();
  lockReleases.delete(name);
}
