import assert from "node:assert/strict";
import { test } from "node:test";

import { readTickets, writeTickets } from "../../../../webapp/js/event/address.js";

/**
 * @param {string} search
 * @param {number} ticketsMax
 */
const readSeats = (search, ticketsMax) => readTickets(search, ticketsMax)?.picks ?? [];

test("ids of seats are read from the address, up to the limit", () => {
  assert.deepEqual(readSeats("?seats=3,1,2", 10), [3, 1, 2]);
  assert.deepEqual(readSeats("?a=b&seats=1,2,3,4", 3), [1, 2, 3]);
});

test("a seat is read once", () => {
  assert.deepEqual(readSeats("?seats=2,1,2,01,1.0", 10), [2, 1]);
});

test("anything else in the address is ignored", () => {
  assert.deepEqual(readSeats("", 10), []);
  assert.deepEqual(readSeats("?seats=", 10), []);
  assert.deepEqual(readSeats("?seats=x,-1,0,1.5,1e300,7", 10), [7]);
  assert.equal(readTickets("?tickets=VIP&tickets=0+VIP&tickets=-1+VIP&tickets=1", 10), null);
});

test("tickets without a seat are read beside the seats, up to the limit", () => {
  const tickets = { seats: [9, 10], quantities: { GA: 1, "2 & 3": 2, constructor: 1 } };
  const { picks, quantities } = readTickets(`?${writeTickets(tickets)}`, 10) ?? {};
  assert.deepEqual({ seats: picks, quantities }, tickets);
  assert.deepEqual(readTickets("?seats=1&tickets=9+GA&tickets=1+VIP", 3), { picks: [1], quantities: { GA: 2 } });
  assert.equal(writeTickets({ seats: [], quantities: {} }), "");
});
