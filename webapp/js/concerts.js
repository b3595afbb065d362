// The concerts of the first page, as the API lists them.
import { usePolled } from "$/utils/http";

const POLL_MS = 10_000;

export function useConcerts() {
  const { data, error } = usePolled("/api/events", POLL_MS);
  if (data) return { phase: "listed", stale: Boolean(error), events: data.body.events };
  return { phase: error ? "away" : "loading", stale: false, events: [] };
}
