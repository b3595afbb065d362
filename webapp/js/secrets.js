// Secrets of orders. The API shows an order only to the holder of its secret, and this browser keeps those of its buyer.

import { signedInAs } from "./account/address.js";
import { attempt, sharedArea } from "./remembered.js";

const PREFIX = "order-secret:";
/** The API accepts as many secrets in one request. */
export const SENT_MAX = 100;
/** The most secrets that the browser keeps. Lists lack the orders of the older ones, whose pages still work. */
export const KEPT_MAX = 1000;
const SECRET_BYTES = 32;
/** The start of the secret of a link: the links of the first generation name none. */
const LINK = /^L(?:1|2\.(?<generation>[0-9]+))\./;
/** The format of the secrets that the API accepts. It refuses a list of orders if any of its secrets has another one. */
const FORMAT = /^(?:[A-Za-z0-9_-]{32,128}|(?:L1|L2\.[1-9][0-9]{0,8})\.[A-Za-z0-9._:~+=@-]{1,128}\.[A-Za-z0-9_-]{43})$/;
const ORDER_PATH = /^\/api\/bookings\/([^/?]+)/;
const LIST_PATH = "/api/bookings?";

/**
 * The secret of an order. `keptAt` is browser time in milliseconds. `generation` counts the revocations before the secret
 * was made. `next` is the secret of a revocation whose outcome is unknown. `account` is the address of the account that the
 * order belongs to; none: a guest's.
 * @typedef {{ secret: string, keptAt: number, generation: number, next?: string, account?: string }} Kept
 */

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
 * Keep the secret of an order, and forget the oldest one beyond `KEPT_MAX`. A secret that a revocation has ended does not
 * replace a later one. The first secret of an order belongs to the account of this browser, and the later ones to its owner.
 * @param {string} reference
 * @param {string} secret
 * @param {number} [generation] the number of revocations before the secret was made
 */
export function keepSecret(reference, secret, generation = 0) {
  const known = read(PREFIX + reference);
  if (known && (known.secret === secret || known.generation > generation)) return;
  const owner = known ? known.account : signedInAs();
  store(reference, { secret, keptAt: Date.now(), generation, ...ownedBy(owner) });
  for (const { name } of kept().slice(KEPT_MAX)) sharedArea.remove(name);
}

/**
 * Make the secret that a revocation shall give an order. The browser keeps it before the request, because the response
 * may be lost after the present secret has ended.
 * @param {string} reference
 * @returns {string}
 */
export function proposeSecret(reference) {
  const known = read(PREFIX + reference) ?? { secret: "", keptAt: Date.now(), generation: 0, ...ownedBy(signedInAs()) };
  const next = known.next ?? newSecret();
  store(reference, { ...known, next });
  return next;
}

/**
 * Replace the present secret of an order by the proposed one, after the API has refused the present one.
 * @param {string} reference
 * @returns {boolean} false if no revocation of this browser has an unknown outcome
 */
export function adoptProposed(reference) {
  const known = read(PREFIX + reference);
  if (!known?.next) return false;
  const { next: secret, keptAt, generation, account } = known;
  store(reference, { secret, keptAt, generation: generation + 1, ...ownedBy(account) });
  return true;
}

/**
 * Assign a guest's orders to the account that has claimed them. Their secrets then leave this browser with the account.
 * @param {string} account its address
 * @param {string[]} references
 */
export function assignSecrets(account, references) {
  for (const reference of references) {
    const known = read(PREFIX + reference);
    if (known && known.account === undefined) store(reference, { ...known, ...ownedBy(account) });
  }
}

/** Return the references of the orders that belong to no account. */
export const guestReferences = () =>
  kept()
    .filter(({ account }) => account === undefined)
    .map(({ name }) => name.slice(PREFIX.length));

/**
 * Forget the secrets of accounts that a function accepts. A guest's secrets stay.
 * @param {(account: string) => boolean} isForgotten
 */
export function forgetSecrets(isForgotten) {
  for (const { name, account } of kept()) if (account !== undefined && isForgotten(account)) sharedArea.remove(name);
}

/**
 * Keep the secret in the page's address, which a link in an e-mail has behind #, and remove it from the address.
 * The order's own secret stays until a revocation, because the repeat of a booking needs it. A later link replaces an
 * earlier one, which may be invalid.
 * @param {string} reference
 * @returns {boolean} true if the address had a secret for this order
 */
export function takeLinkSecret(reference) {
  if (typeof window === "undefined") return false; // The page is prerendered.
  const { hash, pathname, search } = window.location;
  const secret = attempt(() => decodeURIComponent(hash.slice(1)));
  const link = secret ? LINK.exec(secret) : null;
  if (!secret || !link || !secret.startsWith(`${link[0]}${reference}.`) || !FORMAT.test(secret)) return false;
  const generation = Number(link.groups?.generation ?? 0);
  const known = read(PREFIX + reference);
  if (!known || LINK.test(known.secret) || generation > known.generation) keepSecret(reference, secret, generation);
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
        .filter(({ secret }) => secret !== "")
        .slice(0, SENT_MAX)
        .map(({ secret }) => secret)
    : [secretOf(decodeURIComponent(reference))].filter(Boolean);
  return secrets.length > 0 ? { "Booking-Secret": secrets.join(",") } : {};
}

/**
 * @param {string} reference
 * @param {Kept} value
 */
const store = (reference, value) => sharedArea.set(PREFIX + reference, JSON.stringify(value));

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
    const { secret, keptAt, generation = 0, next, account } = JSON.parse(sharedArea.get(name) ?? "");
    const isSecret = FORMAT.test(secret) || (secret === "" && FORMAT.test(next));
    const isReadable = isSecret && Number.isFinite(keptAt) && Number.isInteger(generation);
    const proposed = FORMAT.test(next) ? { next } : {};
    return isReadable ? { secret, keptAt, generation, ...proposed, ...ownedBy(account) } : null;
  });

/**
 * Return the owner of a secret as a part of `Kept`.
 * @param {string | undefined} account
 * @returns {Pick<Kept, "account">}
 */
const ownedBy = (account) => (account ? { account } : {});
