// Orders and events for tests.

/** @import { Booking, EventDetails, Order } from "../../../../webapp/js/schemas.js" */

export const NOW = Date.parse("2027-06-01T12:00:00Z");

/**
 * Return a time some seconds after NOW, as the API writes times.
 * @param {number} seconds
 */
export const at = (seconds) => new Date(NOW + seconds * 1000).toISOString();

/** @type {Booking} */
const BOOKING = {
  id: 1,
  bookingReference: "bk_1-1",
  ticketId: 17,
  tier: "VIP",
  price: 100,
  row: "A",
  seat: 7,
  userId: "user-123",
  createdAt: at(-60),
};

/**
 * Return a confirmed order of two VIP seats.
 * @param {Partial<Order>} [changes]
 * @returns {Order}
 */
export const order = (changes = {}) => ({
  success: true,
  reference: "bk_1",
  status: "confirmed",
  total: 200,
  currency: "USD",
  bookings: [BOOKING, { ...BOOKING, id: 2, bookingReference: "bk_1-2", ticketId: 18, seat: 8 }],
  message: "",
  event: "aurora-sessions",
  paidLate: false,
  currencyDigits: 2,
  shortReference: "XZ9JGVWA",
  ...changes,
});

/**
 * Return an order's event, which begins in an hour.
 * @param {Partial<EventDetails>} [changes]
 * @returns {EventDetails}
 */
export const event = (changes = {}) => ({
  slug: "aurora-sessions",
  name: "Aurora Sessions",
  venue: "Harbour Hall",
  description: "",
  startsAt: at(3_600),
  address: null,
  doorsAt: null,
  endsAt: null,
  timeZone: "Europe/London",
  salesStartAt: at(-3_600),
  salesEndAt: null,
  currency: "USD",
  currencyDigits: 2,
  revision: 1,
  state: "on_sale",
  priceFrom: 10,
  ticketsMin: 1,
  ticketsMax: 10,
  ticketsPerBuyer: null,
  holdSeconds: 300,
  tiers: [],
  ...changes,
});
