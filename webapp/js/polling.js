// Polling of the API by the browser while its tab is visible.
import useSWR from "swr";

import { read } from "./read_ahead.js";

/** @import { HttpError, Snapshot } from "./http.js" */

const RETRY_MS = 2_000;

/** The API may serve a response from its cache for this long. */
export const CACHE_MAX_AGE_MS = 1_000;

/**
 * Return swr's options for a resource that is polled.
 * @param {number} interval in milliseconds; 0 reads only when the tab gains the focus
 * @returns {import("swr").SWRConfiguration}
 */
export const pollingOptions = (interval) => ({
  refreshInterval: interval,
  refreshWhenHidden: false,
  // Browsers on a local network often report themselves as offline. swr ignores that, also after an error.
  refreshWhenOffline: true,
  isOnline: () => true,
  // The return to a page with an error starts a new attempt.
  revalidateOnFocus: true,
  focusThrottleInterval: 0,
  dedupingInterval: RETRY_MS / 2,
  // Keeps the interval constant, where swr would back off: tickets sell on. 404 is final.
  onErrorRetry: (error, _key, _config, revalidate, { retryCount }) => {
    if (error?.status === 404) return;
    // The return to a hidden tab reads again.
    setTimeout(() => document.visibilityState !== "hidden" && revalidate({ retryCount }), RETRY_MS);
  },
  // An equal body with a newer time counts as new data.
  compare: (a, b) => a === b,
});

/**
 * Poll a resource of the API while the tab is visible.
 * @template Body
 * @param {string | null} path null polls nothing
 * @param {number} interval in milliseconds; 0 reads only when the tab gains the focus
 * @returns {import("swr").SWRResponse<Snapshot<Body>, HttpError | DOMException | TypeError>}
 */
export function usePolled(path, interval) {
  /** @type {(path: string) => Promise<Snapshot<Body>>} */
  const fetcher = read;
  return useSWR(path, fetcher, pollingOptions(interval));
}
