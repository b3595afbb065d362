import assert from "node:assert/strict";
import { test } from "node:test";

import { createFormats } from "../../../webapp/js/formats.js";
import { isWhole, sumOf } from "../../../webapp/js/money.js";

const FORMATS = [createFormats("en-US", "ltr"), createFormats("de-DE", "ltr"), createFormats("ar-EG", "rtl")];
const DIGITS = [0, 1, 2, 3, 4];
const CURRENCIES = Intl.supportedValuesOf("currency");
const ARABIC_ZERO = 0x0660;

/**
 * Return the digits of a formatted amount in order, without separators, as ASCII.
 * @param {string} text
 */
const digitsOf = (text) =>
  text.replace(/[\u0660-\u0669]/g, (digit) => String(digit.charCodeAt(0) - ARABIC_ZERO)).replace(/\D/g, "");

test("in every currency and language no amount loses a digit or gains one", () => {
  for (const formats of FORMATS)
    for (const currency of CURRENCIES)
      for (const currencyDigits of DIGITS) {
        const amountMinor = 1_250_501;
        const shown = formats.money(amountMinor / 10 ** currencyDigits, { currency, currencyDigits });
        assert.equal(digitsOf(shown), String(amountMinor), `${currency} with ${currencyDigits} digits: ${shown}`);
      }
});

test("in every currency a whole amount has no decimals", () => {
  for (const currency of CURRENCIES)
    for (const currencyDigits of DIGITS)
      assert.equal(digitsOf(FORMATS[0].money(1250, { currency, currencyDigits })), "1250", currency);
});

test("a multiple is the amount that the API charges", () => {
  assert.equal(sumOf([[0.1, 3]], 2), 0.3);
  assert.equal(sumOf([[1250.5, 3]], 2), 3751.5);
  assert.equal(sumOf([[4.35, 100]], 2), 435);
  assert.equal(sumOf([[1.005, 10]], 3), 10.05);
  assert.equal(sumOf([[10 ** 10, 1000]], 2), 10 ** 13);
  assert.equal(sumOf([[9_999_999_999.99, 1000]], 2), 9_999_999_999_990);
  assert.equal(sumOf([[0, 4]], 2), 0);
});

test("a fraction of the minor unit does not make an amount broken", () => {
  assert.ok(isWhole(1.1 * 10, 2));
  assert.ok(isWhole(1250, 0));
  assert.ok(!isWhole(1250.5, 2));
  assert.ok(!isWhole(0.0001, 4));
});
