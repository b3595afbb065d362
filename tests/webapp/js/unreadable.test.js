import assert from "node:assert/strict";
import { test } from "node:test";

import { createFormats, createNumberFormat } from "../../../webapp/js/formats.js";

const english = createFormats("en-US", "ltr");
const BEGIN = "2027-06-19T00:30:00Z";

test("a time zone that the browser does not know is replaced by UTC", () => {
  for (const zone of ["Mars/Olympus", "posix/America/New_York", "EST9", "", "America/New_York "]) {
    assert.equal(english.date(BEGIN, zone), "June 19, 2027", zone);
    assert.match(english.hour(BEGIN, zone), /^12:30\sAM/, zone);
    assert.equal(english.weekday(BEGIN, zone), "Saturday", zone);
  }
});

test("a time that is no time is formatted as unknown", () => {
  for (const value of ["", "infinity", "10000-01-01T00:00:00Z", "now"]) {
    assert.equal(english.date(value, "UTC"), "", value);
    assert.equal(english.hour(value, "UTC"), "", value);
    assert.equal(english.moment(value, "UTC"), "", value);
  }
});

test("the first and the last years can be formatted", () => {
  assert.equal(english.date("9999-12-30T23:59:59.999999Z", "Pacific/Kiritimati"), "December 31, 9999");
  assert.equal(english.date("9999-12-31T23:59:59.999999Z", "UTC"), "December 31, 9999");
  assert.equal(english.date("0001-01-02T00:00:00Z", "UTC"), "January 2, 1");
});

test("a currency that the browser does not know is its code and plain digits", () => {
  for (const currency of ["US", "USDT", "U$D"]) {
    const options = { style: /** @type {const} */ ("currency"), currency, minimumFractionDigits: 2 };
    const price = createNumberFormat("en-US", options);
    assert.equal(price.format(1250.5), `${currency}\u00a01,250.50`);
    const parts = price.formatToParts(1250.5);
    assert.equal(parts.map(({ value }) => value).join(""), `${currency}\u00a01,250.50`);
    assert.deepEqual(parts[0], { type: "currency", value: currency });
  }
});
