import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";

import {
  adoptProposed,
  keepSecret,
  proposeSecret,
  secretHeaders,
  secretOf,
  takeLinkSecret,
} from "../../../webapp/js/secrets.js";

const REFERENCE = "bk_1:a";
const LINK = `L1.${REFERENCE}.${"m".repeat(43)}`;

/** @param {string} name @param {unknown} value */
const define = (name, value) => Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });

// All tests run in one process.
const saved = ["window", "localStorage"].map((name) => ({
  name,
  descriptor: Object.getOwnPropertyDescriptor(globalThis, name),
}));
after(() => {
  for (const { name, descriptor } of saved) {
    Reflect.deleteProperty(globalThis, name);
    if (descriptor) Object.defineProperty(globalThis, name, descriptor);
  }
});

/** @type {string[]} */
let addresses = [];

/**
 * Open a page at an address with a fragment.
 * @param {string} hash
 */
function open(hash) {
  const location = { hash, pathname: "/booking/bk_1%3Aa", search: "?lang=de" };
  const history = {
    state: "s",
    replaceState: (/** @type {unknown} */ state, /** @type {string} */ _, /** @type {string} */ address) => {
      assert.equal(state, "s");
      addresses.push(address);
    },
  };
  define("window", { location, history });
}

beforeEach(() => {
  addresses = [];
  /** @type {Map<string, string>} */
  const entries = new Map();
  define("localStorage", {
    getItem: (/** @type {string} */ name) => entries.get(name) ?? null,
    setItem: (/** @type {string} */ name, /** @type {string} */ value) => void entries.set(name, value),
    removeItem: (/** @type {string} */ name) => void entries.delete(name),
  });
});

test("a link's secret is kept and leaves the address", () => {
  for (const hash of [`#${LINK}`, `#${encodeURIComponent(LINK)}`]) {
    open(hash);
    takeLinkSecret(REFERENCE);
    assert.equal(secretOf(REFERENCE), LINK);
  }
  assert.deepEqual(addresses, ["/booking/bk_1%3Aa?lang=de", "/booking/bk_1%3Aa?lang=de"]);
});

test("a link does not replace the secret of the browser that booked", () => {
  keepSecret("bk_own", "s".repeat(43));
  open(`#L1.bk_own.${"m".repeat(43)}`);
  takeLinkSecret("bk_own");
  assert.equal(secretOf("bk_own"), "s".repeat(43));
  assert.equal(addresses.length, 1);
});

test("a later link replaces an earlier one, which may be invalid", () => {
  for (const secret of [LINK, `L1.${REFERENCE}.${"n".repeat(43)}`]) {
    open(`#${secret}`);
    takeLinkSecret(REFERENCE);
    assert.equal(secretOf(REFERENCE), secret);
  }
});

/** @param {number} generation */
const linkOf = (generation) => `L2.${generation}.${REFERENCE}.${"m".repeat(43)}`;

test("after a revocation a link replaces only the secrets that the revocation has ended", () => {
  keepSecret(REFERENCE, "s".repeat(43));
  for (const [secret, expected] of [
    [LINK, "s".repeat(43)],
    [linkOf(1), linkOf(1)],
    [linkOf(12), linkOf(12)],
    [linkOf(2), linkOf(12)],
    [LINK, linkOf(12)],
  ]) {
    open(`#${secret}`);
    takeLinkSecret(REFERENCE);
    assert.equal(secretOf(REFERENCE), expected);
  }
  assert.equal(addresses.length, 5);
});

test("the secret of a revocation stays until the next one", () => {
  keepSecret(REFERENCE, "s".repeat(43));
  keepSecret(REFERENCE, "t".repeat(43), 1);
  keepSecret(REFERENCE, "s".repeat(43)); // A purchase in the storage of a tab.
  open(`#${linkOf(1)}`);
  takeLinkSecret(REFERENCE);
  assert.equal(secretOf(REFERENCE), "t".repeat(43));
});

test("a proposed secret is adopted once, after the API has refused the present one", () => {
  keepSecret(REFERENCE, "s".repeat(43));
  const proposed = proposeSecret(REFERENCE);
  assert.equal(proposeSecret(REFERENCE), proposed);
  assert.equal(secretOf(REFERENCE), "s".repeat(43));
  assert.deepEqual([adoptProposed(REFERENCE), adoptProposed(REFERENCE)], [true, false]);
  assert.equal(secretOf(REFERENCE), proposed);
});

test("a signed-in browser without a secret proposes one", () => {
  const proposed = proposeSecret(REFERENCE);
  assert.deepEqual([secretOf(REFERENCE), secretHeaders("/api/bookings?userId=u")], ["", {}]);
  keepSecret(REFERENCE, proposed, 3);
  assert.equal(secretOf(REFERENCE), proposed);
});

test("a text that the API would refuse is not kept", () => {
  const nearly = "m".repeat(42);
  for (const end of ["", "mmm", `${nearly},`, `${nearly}%0A`, `${nearly}m%0A`, "\u00e4".repeat(43)]) {
    open(`#L1.${REFERENCE}.${end}`);
    takeLinkSecret(REFERENCE);
    assert.equal(secretOf(REFERENCE), "");
  }
});

test("another fragment and a link to another order change nothing", () => {
  for (const hash of ["", "#main", "#L1.other.mmm", "#%E0%A4%A"]) {
    open(hash);
    takeLinkSecret("bk_unknown");
  }
  assert.equal(secretOf("bk_unknown"), "");
  assert.deepEqual(addresses, []);
});

test("a page that is prerendered has no address", () => {
  define("window", undefined);
  takeLinkSecret(REFERENCE);
  assert.deepEqual(addresses, []);
});
