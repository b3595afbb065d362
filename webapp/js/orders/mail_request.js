// The requests for e-mails: with links to orders, and with a link to sign in.

import { fetchAsAccount } from "../account/session.js";
import { orderPath } from "../paths.js";
import { secretHeaders } from "../secrets.js";

/** @typedef {import("../schemas.js").EmailRequest} EmailRequest */

/** The outcome for a page: `limited` by the API, or `failed` without a usable response. @typedef {"sent" | "limited" | "failed"} MailOutcome */

const TIMEOUT_MS = 10_000;

/**
 * Request an e-mail with links to orders.
 * @param {string} reference reference of the order whose link is sent; "": the links to all orders of the address
 * @param {EmailRequest} body
 * @returns {Promise<MailOutcome>}
 */
export const requestMail = (reference, body) => post(reference ? `${orderPath(reference)}/email` : "/api/links", body);

/**
 * Request an e-mail with a link to sign in. Every address has the same outcome.
 * @param {EmailRequest} body
 */
export const requestSignInLink = (body) => post("/api/sessions/links", body);

/**
 * @param {string} path
 * @param {EmailRequest} body
 * @returns {Promise<MailOutcome>}
 */
async function post(path, body) {
  try {
    const { ok, status } = await fetchAsAccount(path, {
      method: "POST",
      headers: { ...secretHeaders(path), "Content-Type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return ok ? "sent" : status === 429 ? "limited" : "failed";
  } catch {
    return "failed";
  }
}
