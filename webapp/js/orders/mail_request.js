// The request for an e-mail with links to orders.

import { orderPath } from "../paths.js";
import { secretHeaders } from "../secrets.js";
import { settings } from "../settings.js";

/** @typedef {import("../schemas.js").EmailRequest} EmailRequest */

/** The outcome for a page: `limited` by the API, or `failed` without a usable response. @typedef {"sent" | "limited" | "failed"} MailOutcome */

const TIMEOUT_MS = 10_000;

/**
 * Request an e-mail.
 * @param {string} reference reference of the order whose link is sent; "": the links to all orders of the address
 * @param {EmailRequest} body
 * @returns {Promise<MailOutcome>}
 */
export async function requestMail(reference, body) {
  const path = reference ? `${orderPath(reference)}/email` : "/api/links";
  try {
    const { ok, status } = await fetch(settings.apiUrl + path, {
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
