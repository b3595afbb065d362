import assert from "node:assert/strict";
import { test } from "node:test";

import { takeLinkToken } from "../../../../webapp/js/account/link_token.js";

const TOKEN = `S1.0b1c2d3e-0000-4000-8000-000000000000.${"c".repeat(43)}`;

/**
 * Take the token from an address with a fragment. Return it, and the address that replaces the former one.
 * @param {string} hash
 */
function take(hash) {
  /** @type {string[]} */
  const shown = [];
  const location = { hash, pathname: "/sign-in", search: "?a=b" };
  const history = { state: null, replaceState: (/** @type {any[]} */ ...args) => shown.push(args[2]) };
  Object.assign(globalThis, { window: { location, history } });
  try {
    return [takeLinkToken(), ...shown];
  } finally {
    Reflect.deleteProperty(globalThis, "window");
  }
}

test("the token leaves the address", () => assert.deepEqual(take(`#${TOKEN}`), [TOKEN, "/sign-in?a=b"]));

test("a damaged token leaves the address, so that the API refuses it", () =>
  assert.deepEqual(take("#S1.half"), ["S1.half", "/sign-in?a=b"]));

for (const hash of ["", "#content", "#%"])
  test(`an address with ${hash || "no fragment"} has no token`, () => assert.deepEqual(take(hash), [""]));
