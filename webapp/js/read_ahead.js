// Requests to the API that begin before React draws the page which polls their resources.
import { fetchSnapshot, HttpError } from "./http.js";

/** @import { Snapshot } from "./http.js" */

/** @type {Map<string, Promise<Snapshot<any>>>} by path; only the first read uses an early response */
const early = new Map();

/**
 * Begin to read a resource of the API that the page in the browser's address polls.
 * @param {string} path
 */
export function readAhead(path) {
  const snapshot = fetchSnapshot(path);
  early.set(path, snapshot);
  // The page's own request reports an error.
  snapshot.catch(() => {});
}

/**
 * Read a resource, or use the early response to `readAhead`. The early request competes with the page's scripts for the
 * line, so its failure starts a new request. An error response does not, because the API may be overloaded.
 * @template Body
 * @param {string} path
 * @returns {Promise<Snapshot<Body>>}
 * @throws as `fetchSnapshot`
 */
export function read(path) {
  const snapshot = early.get(path);
  early.delete(path);
  if (!snapshot) return fetchSnapshot(path);
  return snapshot.catch((error) => {
    if (error instanceof HttpError) throw error;
    return fetchSnapshot(path);
  });
}
