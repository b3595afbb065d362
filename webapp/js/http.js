// How the browser reads from the API: what every visitor repeats goes past the pages' own server.
import { useEffect, useLayoutEffect, useState } from "react";
import useSWR from "swr";

const FETCH_TIMEOUT_MS = 4_000;
const RETRY_MS = 2_000;

// Written into the page by the web server: one build serves every address and every limit.
const written = typeof document === "undefined" ? "{}" : document.getElementById("settings").dataset.settings;
export const settings = { apiUrl: "", ticketsMax: 10, ...JSON.parse(written) };

// A page that is loaded starts clean; one whose connection was away for a while does not. Read by arrival.py.
if (typeof sessionStorage !== "undefined") sessionStorage.setItem("page-load", String(performance.timeOrigin));

export class Refusal extends Error {
  constructor(status) {
    super(`The API answered ${status}`);
    this.status = status;
  }
}

export async function read(path) {
  const response = await fetch(settings.apiUrl + path, {
    cache: "no-cache",
    signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
  });
  if (!response.ok) throw new Refusal(response.status);
  const asOf = response.headers.get("X-As-Of") ?? "";
  learnTime(asOf);
  return { body: await response.json(), asOf };
}

// What the API keeps of its answers is no older than this.
export const KEPT_MS = 1_000;

// How a path is read now and then (0: only when the tab is looked at again), while the tab is visible.
export const polling = (every) => ({
  refreshInterval: every,
  refreshWhenHidden: false,
  // Also when the browser believes itself offline, even after an error: that guess is often wrong on a local network.
  refreshWhenOffline: true,
  isOnline: () => true,
  // Whoever comes back looks at what was an error when they left.
  revalidateOnFocus: true,
  focusThrottleInterval: 0,
  dedupingInterval: RETRY_MS / 2,
  // What was refused once and for all is not asked again; after any other failure swr waits longer and longer,
  // but what is sold does not.
  onErrorRetry: (error, _key, _config, revalidate, { retryCount }) => {
    if (error?.status !== 404) setTimeout(() => revalidate({ retryCount }), RETRY_MS);
  },
  // Equal bodies with a newer time are still news.
  compare: (a, b) => a === b,
});

// Reads a path now and then, while the tab is visible; no path, nothing to read.
export const usePolled = (path, every) => useSWR(path, read, polling(every));

// --- The server's clock ----------------------------------------------------------------------------------

// An answer's time is never ahead of the server's clock, and behind it by its age: of the last few the highest is the
// nearest. Only of these: the browser's own clock may be set while the page is open.
const TIMES_KEPT = 8;
const differences = [];
let ahead = 0;

function learnTime(asOf) {
  const difference = Date.parse(asOf) - Date.now();
  if (Number.isNaN(difference)) return;
  differences.push(difference);
  if (differences.length > TIMES_KEPT) differences.shift();
  ahead = Math.max(...differences);
}

export const serverNow = () => Date.now() + ahead;

// Whole seconds until a time of the server's, 0 once it has come.
export const secondsUntil = (time) => Math.max(0, Math.ceil((Date.parse(time) - serverNow()) / 1000));

// --- What pages are drawn from ---------------------------------------------------------------------------

// What components follow, all of it or one field. What is equal to what was there stays the same object, so that
// only what shows a difference is drawn again.
export function observable(initial) {
  const listeners = new Set();
  let value = initial;
  const subscribe = (listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };
  return {
    subscribe,
    get: () => value,
    set(next) {
      const shared = sharing(value, next);
      if (shared === value) return;
      value = shared;
      listeners.forEach((listener) => listener());
    },
    use: () => useFollowed(subscribe, () => value),
    useField: (name) => useFollowed(subscribe, () => value[name]),
  };
}

// React's own hook for this would draw each change in one go. Like this a change that is made within `startTransition`
// is drawn in turns, between which the page hears its visitor; any other at once.
function useFollowed(subscribe, look) {
  const [seen, see] = useState(look);
  useLayoutEffect(() => {
    const follow = () => see(look);
    follow();
    return subscribe(follow);
  }, [subscribe]);
  return seen;
}

const isPlain = (value) => Array.isArray(value) || value?.constructor === Object;

// The next value, made of the parts of the last one as far as they are equal.
function sharing(last, next) {
  if (Object.is(last, next)) return last;
  if (!isPlain(last) || !isPlain(next) || Array.isArray(last) !== Array.isArray(next)) return next;
  const shared = Array.isArray(next) ? [] : {};
  for (const name in next) shared[name] = sharing(last[name], next[name]);
  const names = Object.keys(shared);
  const same = names.length === Object.keys(last).length && names.every((name) => name in last && shared[name] === last[name]);
  return same ? last : shared;
}

// Counts down what is shown in seconds.
export const useEverySecond = (tick) =>
  useEffect(() => {
    const ticking = setInterval(tick, 1_000);
    return () => clearInterval(ticking);
  }, [tick]);
