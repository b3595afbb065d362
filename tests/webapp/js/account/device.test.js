import assert from "node:assert/strict";
import { test } from "node:test";

import { faultOf, hasPasskeys, makePasskey, signChallenge, toBase64 } from "../../../../webapp/js/account/device.js";

test("bytes are encoded for a URL and without padding", () => {
  const encoded = (/** @type {number[]} */ bytes) => toBase64(new Uint8Array(bytes).buffer);
  assert.deepEqual([[], [0], [251, 255], [255, 239, 190, 1]].map(encoded), ["", "AA", "-_8", "_---AQ"]);
});

for (const [name, fault] of [
  ["NotAllowedError", "cancelled"],
  ["AbortError", "cancelled"],
  ["InvalidStateError", "known"],
  ["SecurityError", "failed"],
])
  test(`a ceremony that ends with ${name} is ${fault}`, () => assert.equal(faultOf(new DOMException("", name)), fault));

test("a ceremony fails without a browser that has passkeys", async () => {
  assert.equal(hasPasskeys(), false);
  assert.equal(await makePasskey(/** @type {any} */ ({})), "failed");
  assert.equal(await signChallenge(/** @type {any} */ ({})), "failed");
  assert.equal(faultOf("no error"), "failed");
});
