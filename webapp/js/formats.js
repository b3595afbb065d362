// Amounts, counts and times in a locale. Pure functions of Intl.
import { isWhole } from "./money.js";

/** @import { Priced } from "./money.js" */

const CLOCK = /** @type {const} */ ({ hour: "numeric", minute: "2-digit" });
const DAY_AND_CLOCK = /** @type {const} */ ({ ...CLOCK, day: "numeric" });

const MINUTE_S = 60;
const HOUR_S = 60 * MINUTE_S;
const DAY_S = 24 * HOUR_S;

const NO_BREAK_SPACE = "\u00a0";
const DIGIT = /\p{Nd}/u;
// Codes and symbols such as "US$" have capitals, and Arabic symbols have letters without case. "kr" is ambiguous.
const NAMED_CURRENCY = /\p{Lu}|\p{Lo}/u;

// Unicode's isolates: between them the direction of the surrounding text has no influence.
const LEFT_TO_RIGHT_ISOLATE = "\u2066";
const POP_ISOLATE = "\u2069";

/** @typedef {ReturnType<typeof createFormats>} Formats */

/**
 * Return a function that keeps the value of each argument.
 * @template {object} Options
 * @template Value
 * @param {(options: Options) => Value} create
 */
function cached(create) {
  /** @type {Map<string, Value>} */
  const values = new Map();
  return (/** @type {Options} */ options) => {
    const key = JSON.stringify(options);
    const value = values.get(key) ?? create(options);
    values.set(key, value);
    return value;
  };
}

/**
 * Create a number format. If the browser does not support the currency, its code precedes plain digits.
 * @param {string} locale
 * @param {Intl.NumberFormatOptions} options
 * @returns {Pick<Intl.NumberFormat, "format" | "formatToParts">}
 */
export function createNumberFormat(locale, options) {
  try {
    return new Intl.NumberFormat(locale, options);
  } catch {
    const { style: _, currency = "", ...digits } = options;
    const plain = new Intl.NumberFormat(locale, digits);
    return {
      format: (/** @type {number} */ amount) => `${currency}\u00a0${plain.format(amount)}`,
      formatToParts: (/** @type {number} */ amount) => [
        { type: "currency", value: currency },
        { type: "literal", value: "\u00a0" },
        ...plain.formatToParts(amount),
      ],
    };
  }
}

/**
 * Create a time format. If the browser does not support the time zone, the time is in UTC.
 * @param {string} locale
 * @param {Intl.DateTimeFormatOptions} options
 */
function createTimeFormat(locale, options) {
  try {
    return new Intl.DateTimeFormat(locale, options);
  } catch {
    return new Intl.DateTimeFormat(locale, { ...options, timeZone: "UTC" });
  }
}

/**
 * Create the formats of a locale. Times are RFC 3339; "" is an unknown time and is formatted as "".
 * @param {string} locale BCP 47
 * @param {"ltr" | "rtl"} direction
 */
export function createFormats(locale, direction) {
  // Creating a formatter is expensive, so each one is created once.
  const numberFormat = cached((/** @type {Intl.NumberFormatOptions} */ options) => createNumberFormat(locale, options));
  const timeFormat = cached((/** @type {Intl.DateTimeFormatOptions} */ options) => createTimeFormat(locale, options));
  const listFormat = cached((/** @type {Intl.ListFormatOptions} */ options) => new Intl.ListFormat(locale, options));

  /** @param {number} value */
  const number = (value) => numberFormat({}).format(value);

  /**
   * @param {string} value
   * @param {Intl.DateTimeFormatOptions} options
   */
  const time = (value, options) => {
    const date = new Date(value || Number.NaN);
    return Number.isNaN(date.getTime()) ? "" : timeFormat(options).format(date);
  };

  /**
   * Return true if the local time in a time zone differs from the visitor's.
   * @param {string} value
   * @param {string} timeZone
   */
  const differsFromVisitors = (value, timeZone) =>
    time(value, { ...DAY_AND_CLOCK, timeZone }) !== time(value, DAY_AND_CLOCK);

  /**
   * @param {number} count
   * @param {string} name a unit of Intl.NumberFormat
   */
  const unit = (count, name) => numberFormat({ style: "unit", unit: name, unitDisplay: "long" }).format(count);

  /**
   * Format a time with the name of its zone if the visitor's clock shows another time. The time does not wrap.
   * @param {string} value
   * @param {Intl.DateTimeFormatOptions} options
   * @param {string} timeZone
   */
  function zoned(value, options, timeZone) {
    const clock = time(value, { ...options, timeZone }).replaceAll(" ", NO_BREAK_SPACE);
    return clock && differsFromVisitors(value, timeZone) ? clock + NO_BREAK_SPACE + zoneName(value, timeZone) : clock;
  }

  /**
   * Return the abbreviation of a time zone, or a name of its place where the language only has an offset.
   * @param {string} value
   * @param {string} timeZone
   */
  function zoneName(value, timeZone) {
    /** @param {"short" | "shortGeneric"} timeZoneName */
    const named = (timeZoneName) =>
      timeFormat({ ...CLOCK, timeZone, timeZoneName })
        .formatToParts(new Date(value))
        .find(({ type }) => type === "timeZoneName")?.value ?? "";
    return DIGIT.test(named("short")) ? named("shortGeneric") : named("short");
  }

  /** @param {Intl.NumberFormatPart} part */
  const isolateCurrency = ({ type, value }) =>
    type === "currency" ? LEFT_TO_RIGHT_ISOLATE + value + POP_ISOLATE : value;

  /**
   * Format an amount in the currency's major unit; whole amounts have no decimals, an unknown currency gives "".
   *
   * The API states the number of decimals. Browsers have other numbers for some currencies, and would round.
   * @param {number} amount
   * @param {Priced} priced
   */
  function money(amount, { currency, currencyDigits }) {
    if (!currency) return "";
    const digits = isWhole(amount, currencyDigits) ? 0 : currencyDigits;
    const decimals = { minimumFractionDigits: digits, maximumFractionDigits: digits };
    const price = numberFormat({ style: "currency", currency, ...decimals });
    // Right-to-left text would turn "US$" into "$US".
    return direction === "rtl" ? price.formatToParts(amount).map(isolateCurrency).join("") : price.format(amount);
  }

  return {
    number,
    money,

    /**
     * Return the code of a currency, or "" if its amounts name the currency: "$" is ambiguous, "US$" is not.
     * @param {Priced} priced
     */
    currencyCode: (priced) => (NAMED_CURRENCY.test(money(0, priced)) ? "" : priced.currency),

    // All times follow the clock of the venue.
    /**
     * Format a point in time.
     * @type {(value: string, timeZone: string) => string}
     */
    moment: (value, timeZone) => zoned(value, { ...CLOCK, day: "numeric", month: "short", year: "numeric" }, timeZone),
    /** @type {(value: string, timeZone: string) => string} */
    weekday: (value, timeZone) => time(value, { weekday: "long", timeZone }),
    /** @type {(value: string, timeZone: string) => string} */
    date: (value, timeZone) => time(value, { dateStyle: "long", timeZone }),
    /** @type {(value: string, timeZone: string) => string} */
    day: (value, timeZone) => time(value, { day: "numeric", timeZone }),
    /** @type {(value: string, timeZone: string) => string} */
    month: (value, timeZone) => time(value, { month: "long", year: "numeric", timeZone }),
    /** @type {(value: string, timeZone: string) => string} */
    shortMonth: (value, timeZone) => time(value, { month: "short", year: "numeric", timeZone }),

    /**
     * Format a date briefly, with its year unless that is the current one.
     * @param {string} value
     * @param {string} timeZone
     * @param {Date} today
     */
    shortDate(value, timeZone, today = new Date()) {
      const isThisYear =
        time(value, { year: "numeric", timeZone }) === time(today.toISOString(), { year: "numeric", timeZone });
      const year = isThisYear ? undefined : "numeric";
      return time(value, { month: "short", day: "numeric", year, timeZone }).replaceAll(" ", NO_BREAK_SPACE);
    },

    /**
     * Format a time of day, with the name of its zone if the visitor's clock shows another time.
     * @type {(value: string, timeZone: string) => string}
     */
    hour: (value, timeZone) => zoned(value, CLOCK, timeZone),

    /**
     * Format a duration: "0:09", "2:03:04", "1 day, 2 hours" or "305 days".
     * @param {number} seconds
     */
    span(seconds) {
      const days = Math.floor(seconds / DAY_S);
      const hours = Math.floor(seconds / HOUR_S) % 24;
      if (days > 1 || (days === 1 && hours === 0)) return unit(days, "day");
      if (days === 1) return listFormat({ type: "unit", style: "long" }).format([unit(1, "day"), unit(hours, "hour")]);
      const twoDigits = numberFormat({ minimumIntegerDigits: 2 });
      const minutes = Math.floor(seconds / MINUTE_S) % 60;
      const start = hours > 0 ? [number(hours), twoDigits.format(minutes)] : [number(minutes)];
      return [...start, twoDigits.format(seconds % 60)].join(":");
    },
  };
}
