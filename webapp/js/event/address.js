// Seats in the page's address (`?seats=1,2`), which a booking's page links to after one of its seats was lost.

/**
 * Read the ids of seats from an address's query.
 * @param {string} search
 * @param {number} ticketsMax
 */
export function readSeats(search, ticketsMax) {
  const seats = new URLSearchParams(search).get("seats") ?? "";
  const ids = new Set(seats.split(",").map(Number));
  return [...ids].filter((id) => Number.isSafeInteger(id) && id > 0).slice(0, ticketsMax);
}

/** Remove the seats from the address: on the next visit these seats may be booked already. */
export function removeSeats() {
  if (new URLSearchParams(window.location.search).has("seats"))
    window.history.replaceState(window.history.state, "", window.location.pathname);
}
