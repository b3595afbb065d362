// Addresses for e-mails, by the API's rule. A test compares this module with `api/text.py`.

import { recall, rememberName } from "./remembered.js";

/** The name of the last address in the browser's storage. `webapp/components/email.py` has the same. */
const KEPT_AS = "email";
const LENGTH_MAX = 254;
// The rule of browsers for fields of the type "email".
const ADDRESS =
  /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/;

/** An address and the language for messages to it; empty without an address. @typedef {{ email?: string, locale?: Locale }} Contact */
/** @typedef {NonNullable<import("./schemas.js").BookingRequest["locale"]>} Locale */

/**
 * Read an address that a buyer has typed. Return it, "" if there is none, or the code of its fault.
 * @param {string} text
 * @returns {{ email: string } | { fault: "email_invalid" }}
 */
export function readEmail(text) {
  const email = text.trim();
  return email === "" || (ADDRESS.test(email) && email.length <= LENGTH_MAX) ? { email } : { fault: "email_invalid" };
}

/**
 * Store the address of a purchase for the next visit; an empty one replaces the last one.
 * @param {string} [email]
 */
export const rememberEmail = (email = "") => rememberName(KEPT_AS, email);

/** Return the stored address, or "" without one. */
export function recallEmail() {
  const read = readEmail(recall(KEPT_AS) ?? "");
  return "email" in read ? read.email : "";
}

/**
 * Return the stored address with a language for messages to it.
 * @param {Locale} locale
 * @returns {Contact}
 */
export function recallContact(locale) {
  const email = recallEmail();
  return email ? { email, locale } : {};
}
