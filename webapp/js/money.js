// Arithmetic with amounts in the major unit of a currency, exact to the minor unit.

/**
 * An object with amounts, such as an event or an order.
 * @typedef {object} Priced
 * @property {string} currency ISO 4217; "" if unknown
 * @property {number} currencyDigits decimal places of the amounts, as the API states them
 */

/**
 * Return an amount in minor units.
 * @param {number} amount
 * @param {number} currencyDigits
 */
const toMinor = (amount, currencyDigits) => Math.round(amount * 10 ** currencyDigits);

/**
 * Return whether an amount has no fraction of the major unit.
 * @param {number} amount
 * @param {number} currencyDigits
 */
export const isWhole = (amount, currencyDigits) => toMinor(amount, currencyDigits) % 10 ** currencyDigits === 0;

/**
 * Return the sum of amounts, each as often as it counts. Three times 0.1 is 0.3, as in the API, and not 0.30000000000000004.
 * @param {[amount: number, times: number][]} parts
 * @param {number} currencyDigits
 */
export const sumOf = (parts, currencyDigits) =>
  parts.reduce((sum, [amount, times]) => sum + toMinor(amount, currencyDigits) * times, 0) / 10 ** currencyDigits;
