import assert from "node:assert/strict";
import { test } from "node:test";

import { isolate, negotiate } from "../../../webapp/js/locale.js";

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

test("a text is isolated if it runs against the direction of the page", () => {
  assert.equal(isolate("Front Row", "rtl"), "\u2068Front Row\u2069");
  assert.equal(isolate("\u0642\u0627\u0639\u0629 A", "rtl"), "\u2068\u0642\u0627\u0639\u0629 A\u2069");
  assert.equal(isolate("\u0642\u0627\u0639\u0629", "ltr"), "\u2068\u0642\u0627\u0639\u0629\u2069");
  assert.equal(isolate("\u05d0\u05d5\u05dc\u05dd", "ltr"), "\u2068\u05d0\u05d5\u05dc\u05dd\u2069");
});

test("a text in the direction of the page stays as it is", () => {
  assert.equal(isolate("Front Row", "ltr"), "Front Row");
  assert.equal(isolate("\u0642\u0627\u0639\u0629", "rtl"), "\u0642\u0627\u0639\u0629");
  for (const direction of /** @type {const} */ (["ltr", "rtl"])) assert.equal(isolate("12:30", direction), "12:30");
});
