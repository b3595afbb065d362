import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { normalize } from "../../../webapp/js/text.js";

/** @type {{ typed: string, normalized: string }[]} */
const CASES = JSON.parse(readFileSync(new URL("../../unit/names.json", import.meta.url), "utf8"));

test("names are normalized as the API does it", () => {
  assert.ok(CASES.length > 0);
  for (const { typed, normalized } of CASES) assert.equal(normalize(typed), normalized);
});
