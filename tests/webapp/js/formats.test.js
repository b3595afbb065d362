import assert from "node:assert/strict";
import { test } from "node:test";

import { createFormats, createNumberFormat } from "../../../webapp/js/formats.js";

// Intl separates times and day periods with a narrow no-break space.
const english = createFormats("en-US", "ltr");
const german = createFormats("de-DE", "ltr");
const arabic = createFormats("ar-EG", "rtl");

const BEGIN = "2027-06-19T00:00:00Z";
const NEW_YORK = "America/New_York";
// The tests run in any time zone, so the visitor's zone is compared with two that never agree.
const VISITORS = Intl.DateTimeFormat().resolvedOptions().timeZone;
const ELSEWHERE = VISITORS === "Pacific/Kiritimati" ? "Pacific/Pago_Pago" : "Pacific/Kiritimati";

/** @type {(currency: string, currencyDigits?: number) => import("../../../webapp/js/money.js").Priced} */
const priced = (currency, currencyDigits = 2) => ({ currency, currencyDigits });

test("whole amounts have no decimals", () => {
  assert.equal(english.money(100, priced("USD")), "$100");
  assert.equal(english.money(12.5, priced("USD")), "$12.50");
  assert.equal(english.money(1.25, priced("KWD", 3)), "KWD\u00a01.250");
  assert.equal(german.money(1234.5, priced("EUR")), "1.234,50\u00a0€");
});

test("nothing is rounded in currencies for which browsers have fewer decimals", () => {
  assert.equal(english.money(1250.5, priced("RSD")), "RSD\u00a01,250.50");
  assert.equal(english.money(3751.5, priced("RSD")), "RSD\u00a03,751.50");
  assert.equal(german.money(0.5, priced("HUF")), "0,50\u00a0HUF");
  assert.equal(english.money(0.0001, priced("CLF", 4)), "CLF\u00a00.0001");
  assert.equal(english.money(1250, priced("JPY", 0)), "¥1,250");
});

test("a product of an amount is as whole as the amount itself", () => {
  assert.equal(english.money(0.1 * 3, priced("USD")), "$0.30");
  assert.equal(english.money(1.1 * 10, priced("USD")), "$11");
});

test("an amount without a currency is not known yet", () => {
  assert.equal(english.money(0, priced("")), "");
});

test("in right-to-left text the currency keeps its own direction", () => {
  assert.equal(arabic.money(100, priced("USD")), "\u200f\u0661\u0660\u0660\u00a0\u2066US$\u2069");
});

test("dates and days follow the venue's clock", () => {
  assert.equal(english.day(BEGIN, NEW_YORK), "18");
  assert.equal(english.weekday(BEGIN, NEW_YORK), "Friday");
  assert.equal(english.month(BEGIN, NEW_YORK), "June 2027");
  assert.equal(english.shortMonth(BEGIN, NEW_YORK), "Jun 2027");
  assert.equal(german.date(BEGIN, NEW_YORK), "18. Juni 2027");
  assert.equal(english.day(BEGIN, "UTC"), "19");
});

test("a time names its zone if it differs from the visitor's", () => {
  assert.match(english.hour(BEGIN, ELSEWHERE), /^\d+:\d\d\s[AP]M\s\S+/);
  assert.match(english.hour(BEGIN, VISITORS), /^\d+:\d\d\s[AP]M$/);
});

test("a short date has its year unless that is the current one", () => {
  const summer = "2027-06-19T12:00:00Z";
  assert.equal(english.shortDate(summer, "UTC", new Date("2027-03-01T12:00:00Z")), "Jun\u00a019");
  assert.equal(english.shortDate(summer, "UTC", new Date("2026-03-01T12:00:00Z")), "Jun\u00a019,\u00a02027");
});

test("the venue's clock decides which year is the current one", () => {
  // 31 December in New York, 1 January in UTC and in Kiribati.
  const midnight = new Date("2027-01-01T02:00:00Z");
  const [evening, newYear] = ["2026-12-31T23:00:00Z", "2027-01-01T12:00:00Z"];
  assert.equal(english.shortDate(evening, NEW_YORK, midnight), "Dec\u00a031");
  assert.equal(english.shortDate(newYear, NEW_YORK, midnight), "Jan\u00a01,\u00a02027");
  assert.equal(english.shortDate(newYear, "UTC", midnight), "Jan\u00a01");
  assert.equal(english.shortDate(evening, "Pacific/Kiritimati", midnight), "Jan\u00a01");
  assert.equal(english.shortDate("2028-02-29T12:00:00Z", "UTC", midnight), "Feb\u00a029,\u00a02028");
});

test("a zone has a name that people know, not an offset", () => {
  const zones = [NEW_YORK, "Europe/Berlin", "Asia/Tokyo", "Asia/Kolkata"].filter((zone) => zone !== VISITORS);
  for (const formats of [english, german, arabic]) {
    for (const zone of zones) {
      const hour = formats.hour(BEGIN, zone);
      const name = hour.slice(hour.lastIndexOf("\u00a0") + 1);
      assert.match(name, /^[^\p{Nd}]{3,}$/u, hour);
    }
  }
  if (VISITORS === NEW_YORK) return;
  assert.match(english.hour(BEGIN, NEW_YORK), /EDT$/);
  assert.equal(german.hour(BEGIN, NEW_YORK), "20:00\u00a0New York (Ortszeit)");
  assert.match(arabic.hour(BEGIN, NEW_YORK), /توقيت نيويورك$/);
});

test("both hours that a clock shows twice have their own zone name", () => {
  if (VISITORS === NEW_YORK) return;
  assert.match(english.hour("2026-11-01T05:30:00Z", NEW_YORK), /^1:30\sAM\sEDT$/);
  assert.match(english.hour("2026-11-01T06:30:00Z", NEW_YORK), /^1:30\sAM\sEST$/);
  assert.match(english.hour("2026-03-08T07:00:00Z", NEW_YORK), /^3:00\sAM\sEDT$/);
});

test("a time does not wrap", () => {
  for (const formats of [english, german, arabic]) {
    assert.doesNotMatch(formats.hour(BEGIN, VISITORS), / /);
    assert.doesNotMatch(formats.moment(BEGIN, VISITORS), / /);
  }
});

test("a point in time follows the venue's clock", () => {
  assert.match(english.moment(BEGIN, NEW_YORK), /^Jun\s18,\s2027,\s8:00\sPM/);
  assert.match(english.moment(BEGIN, ELSEWHERE), /[AP]M\s\S+/);
});

test("an unknown time is empty", () => {
  assert.equal(english.moment("", NEW_YORK), "");
  assert.equal(english.date("", NEW_YORK), "");
  assert.equal(english.hour("", NEW_YORK), "");
});

test("a currency's code is written where an amount does not contain it", () => {
  assert.equal(english.currencyCode(priced("USD")), "USD");
  assert.equal(english.currencyCode(priced("CHF")), "");
  assert.equal(arabic.currencyCode(priced("USD")), "");
  assert.equal(createFormats("sv-SE", "ltr").currencyCode(priced("SEK")), "SEK");
  assert.equal(english.currencyCode(priced("")), "");
});

test("a duration shows days and hours until its last day", () => {
  assert.equal(english.span(0), "0:00");
  assert.equal(english.span(9), "0:09");
  assert.equal(english.span(3_599), "59:59");
  assert.equal(english.span(3_600), "1:00:00");
  assert.equal(english.span(86_399), "23:59:59");
  assert.equal(english.span(86_400 + 7_384), "1 day, 2 hours");
  assert.equal(english.span(86_400 + 59), "1 day");
  assert.equal(english.span(2 * 86_400 - 1), "1 day, 23 hours");
  assert.equal(english.span(305 * 86_400 + 7_384), "305 days");
});

// --- Values that a browser does not know ------------------------------------------------------------------------

const NIGHT = "2027-06-19T00:30:00Z";

test("a time zone that the browser does not know is replaced by UTC", () => {
  for (const zone of ["Mars/Olympus", "posix/America/New_York", "EST9", "", "America/New_York "]) {
    assert.equal(english.date(NIGHT, zone), "June 19, 2027", zone);
    assert.match(english.hour(NIGHT, zone), /^12:30\sAM/, zone);
    assert.equal(english.weekday(NIGHT, zone), "Saturday", zone);
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
