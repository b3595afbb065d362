// The list of events on the first page.
import { usePolled } from "./polling.js";
import { readAhead } from "./read_ahead.js";

const PATH = "/api/events";
const POLL_MS = 10_000;

// React needs much longer than the request to make the page interactive.
if (typeof window !== "undefined" && window.location.pathname === "/") readAhead(PATH);

/** Return the events as the API lists them; `phase` is `loading`, `listed` or `away` (the API does not respond). */
export function useEvents() {
  /** @type {ReturnType<typeof usePolled<{ events: object[] }>>} */
  const { data, error } = usePolled(PATH, POLL_MS);
  if (data) return { phase: "listed", stale: Boolean(error), events: data.body.events };
  return { phase: error ? "away" : "loading", stale: false, events: [] };
}
