import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { normalize, readName } from "../../../webapp/js/text.js";

/** @type {{ typed: string, normalized: string }[]} */
const CASES = JSON.parse(readFileSync(new URL("../../unit/names.json", import.meta.url), "utf8"));

test("names are normalized as the API does it", () => {
  assert.ok(CASES.length > 0);
  for (const { typed, normalized } of CASES) assert.equal(normalize(typed), normalized);
});

for (const [typed, read] of /** @type {[string, ReturnType<typeof readName>][]} */ ([
  [" Zoe\u0308 ", { name: "Zo\u00eb" }],
  ["\u{1f469}\u200d\u{1f3a4}", { name: "\u{1f469}\u200d\u{1f3a4}" }],
  ["\u{1f3a4}".repeat(128), { name: "\u{1f3a4}".repeat(128) }],
  ["", { fault: "user_missing" }],
  [" \u200b\u3164\u2800\u{e0041}", { fault: "user_missing" }],
  ["\u202e", { fault: "user_missing" }],
  ["Sam\u202eX", { fault: "user_invalid" }],
  ["Sam\u0000X", { fault: "user_invalid" }],
  ["Sam\u2028X", { fault: "user_invalid" }],
  ["u".repeat(129), { fault: "user_too_long" }],
  // The composed form is three times as long.
  ["\u{1d160}".repeat(43), { fault: "user_too_long" }],
]))
  test(`a name is read: ${JSON.stringify(typed).slice(0, 50)}`, () => {
    assert.deepEqual(readName(typed), read);
  });
