// Requests from the browser to the API.
import { fetchAsAccount } from "./account/session.js";
import { observeServerTime } from "./clock.js";
import { secretHeaders } from "./secrets.js";

const TIMEOUT_MS = 4_000;

/**
 * The body of a response, the time at which it was true (header `X-As-Of`; "" if the response has none) and the revision
 * of its event at that time (header `X-Event-Revision`).
 * @template Body
 * @typedef {{ body: Body, asOf: string, revision?: number }} Snapshot
 */

/** A response whose status is not 2xx. */
export class HttpError extends Error {
  /** @param {number} status */
  constructor(status) {
    super(`The API responded with status ${status}`);
    this.status = status;
  }
}

/**
 * Request a resource of the API, with the secrets that it needs, and as the account of a signed-in buyer.
 * @param {string} path
 * @returns {Promise<Response>}
 * @throws {HttpError} the status is not 2xx
 * @throws {DOMException | TypeError} the API did not respond in time, or the network failed
 */
export async function request(path) {
  const response = await fetchAsAccount(path, {
    cache: "no-cache",
    headers: secretHeaders(path),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (!response.ok) throw new HttpError(response.status);
  return response;
}

/**
 * Read a resource of the API. Its time adjusts the estimate of the server's clock.
 * @template Body
 * @param {string} path
 * @returns {Promise<Snapshot<Body>>}
 * @throws {HttpError} the status is not 2xx
 * @throws {DOMException | TypeError} the API did not respond in time, or the network failed
 */
export async function fetchSnapshot(path) {
  const response = await request(path);
  const asOf = response.headers.get("X-As-Of") ?? "";
  observeServerTime(asOf);
  const revision = response.headers.get("X-Event-Revision");
  return { body: await response.json(), asOf, ...(revision === null ? {} : { revision: Number(revision) }) };
}
