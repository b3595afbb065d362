import assert from "node:assert/strict";
import { test } from "node:test";

import { readTickets } from "../../../../webapp/js/event/address.js";
import { NO_ORDER } from "../../../../webapp/js/orders/order.js";
import { deriveOrderPage, INITIAL_STATE } from "../../../../webapp/js/orders/page_view.js";

test("the way back to the event keeps seats and standing tickets of a failed order", () => {
  const line = { userId: "ann", createdAt: "2027-06-01T12:00:00Z", price: 10, seat: null, row: null };
  const bookings = [
    { ...line, ticketId: 9, tier: "VIP", row: "A", seat: 9 },
    { ...line, ticketId: 10, tier: "VIP", row: "A", seat: 10 },
    { ...line, ticketId: 1241, tier: "GA" },
  ];
  const order = /** @type {import("../../../../webapp/js/schemas.js").Order} */ ({ ...NO_ORDER, bookings });
  const { again_query } = deriveOrderPage({ ...INITIAL_STATE, order }, 0);
  assert.deepEqual(readTickets(`?${again_query}`), { picks: [9, 10], quantities: { GA: 1 } });
});
