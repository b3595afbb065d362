import assert from "node:assert/strict";
import { test } from "node:test";

import { negotiate } from "../../../webapp/js/locale.js";

const SUPPORTED = ["en", "de", "ar"];

test("the best supported language keeps the visitor's region", () => {
  assert.deepEqual(negotiate(SUPPORTED, null, ["fr-FR", "de-AT", "en-US"]), { language: "de", locale: "de-AT" });
});

test("a stored choice comes before the browser's languages", () => {
  assert.deepEqual(negotiate(SUPPORTED, "ar", ["de-DE"]), { language: "ar", locale: "ar" });
  assert.deepEqual(negotiate(SUPPORTED, "en", ["de-DE", "en-GB"]), { language: "en", locale: "en-GB" });
});

test("an unsupported choice is ignored", () => {
  assert.deepEqual(negotiate(SUPPORTED, "xx", ["de-DE"]), { language: "de", locale: "de-DE" });
});

test("English is the default", () => {
  assert.deepEqual(negotiate(SUPPORTED, null, ["fr-FR"]), { language: "en", locale: "en" });
  assert.deepEqual(negotiate(SUPPORTED, null, []), { language: "en", locale: "en" });
});
