// Paths of the API's resources.

/** @param {string} slug */
export const eventPath = (slug) => `/api/events/${encodeURIComponent(slug)}`;

/** @param {string} slug */
export const countsPath = (slug) => `/api/tickets/availability?event=${encodeURIComponent(slug)}`;

/**
 * @param {string} slug
 * @param {string} tier
 * @param {number} quantity
 */
export const bestPath = (slug, tier, quantity) =>
  `/api/tickets/best?${new URLSearchParams({ event: slug, tier, quantity: String(quantity) })}`;

/** @param {string} slug */
export const statesPath = (slug) => `/api/tickets/states?event=${encodeURIComponent(slug)}`;

/** @param {string} reference */
export const orderPath = (reference) => `/api/bookings/${encodeURIComponent(reference)}`;
