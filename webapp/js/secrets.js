// Secrets of orders. The API shows an order only to the holder of its secret, and this browser keeps those of its buyer.

import { attempt, sharedArea } from "./remembered.js";

const PREFIX = "order-secret:";
/** The API accepts as many secrets in one request. */
export const SENT_MAX = 100;
/** The most secrets that the browser keeps. Lists lack the orders of the older ones, whose pages still work. */
export const KEPT_MAX = 1000;
const SECRET_BYTES = 32;
/** The start of the secret of a link. */
const LINK = "L1.";
/** The format of the secrets that the API accepts. It refuses a list of orders if any of its secrets has another one. */
const FORMAT = /^(?:[A-Za-z0-9_-]{32,128}|L1\.[A-Za-z0-9._:~+=@-]{1,128}\.[A-Za-z0-9_-]{43})$/;
const ORDER_PATH = /^\/api\/bookings\/([^/?]+)/;
const LIST_PATH = "/api/bookings?";

/** @typedef {{ secret: string, keptAt: number }} Kept `keptAt` is browser time in milliseconds */

/**
 * Make a random secret.
 * @returns {string}
 */
export function newSecret() {
  const bytes = crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

/**
 * Keep the secret of an order, and forget the oldest one beyond `KEPT_MAX`.
 * @param {string} reference
 * @param {string} secret
 */
export function keepSecret(reference, secret) {
  if (secretOf(reference) === secret) return;
  sharedArea.set(PREFIX + reference, JSON.stringify({ secret, keptAt: Date.now() }));
  for (const { name } of kept().slice(KEPT_MAX)) sharedArea.remove(name);
}

/**
 * Keep the secret in the page's address, which a link in an e-mail has behind #, and remove it from the address.
 * The order's own secret stays, because the repeat of a booking needs it. A later link replaces an earlier one, which may
 * be invalid.
 * @param {string} reference
 * @returns {boolean} true if the address had a secret for this order
 */
export function takeLinkSecret(reference) {
  if (typeof window === "undefined") return false; // The page is prerendered.
  const { hash, pathname, search } = window.location;
  const secret = attempt(() => decodeURIComponent(hash.slice(1)));
  if (!secret?.startsWith(`${LINK}${reference}.`) || !FORMAT.test(secret)) return false;
  const known = secretOf(reference);
  if (known === "" || known.startsWith(LINK)) keepSecret(reference, secret);
  window.history.replaceState(window.history.state, "", pathname + search);
  return true;
}

/**
 * Return the secret of an order, or "" if this browser has none.
 * @param {string} reference
 */
export const secretOf = (reference) => read(PREFIX + reference)?.secret ?? "";

/**
 * Return the headers with the secrets for a request to the API: the secret of one order, or the newest for a list.
 * @param {string} path
 * @returns {Record<string, string>}
 */
export function secretHeaders(path) {
  const [, reference = ""] = ORDER_PATH.exec(path) ?? [];
  const secrets = path.startsWith(LIST_PATH)
    ? kept()
        .slice(0, SENT_MAX)
        .map(({ secret }) => secret)
    : [secretOf(decodeURIComponent(reference))].filter(Boolean);
  return secrets.length > 0 ? { "Booking-Secret": secrets.join(",") } : {};
}

/** Return what the browser keeps, newest first. */
function kept() {
  const names = sharedArea.keys().filter((name) => name.startsWith(PREFIX));
  const values = names.flatMap((name) => {
    const value = read(name);
    return value ? [{ ...value, name }] : [];
  });
  return values.sort((one, other) => other.keptAt - one.keptAt);
}

/**
 * @param {string} name
 * @returns {Kept | null} null: nothing readable
 */
const read = (name) =>
  attempt(() => {
    const { secret, keptAt } = JSON.parse(sharedArea.get(name) ?? "");
    return FORMAT.test(secret) && Number.isFinite(keptAt) ? { secret, keptAt } : null;
  });
