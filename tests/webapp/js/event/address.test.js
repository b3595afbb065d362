import assert from "node:assert/strict";
import { test } from "node:test";

import { TICKETS_MAX } from "../../../../webapp/js/basket_storage.js";
import { readSlug, readTickets, writeTickets } from "../../../../webapp/js/event/address.js";

/**
 * @param {string} search
 */
const readSeats = (search) => readTickets(search)?.picks ?? [];

test("ids of seats are read from the address, up to the limit", () => {
  assert.deepEqual(readSeats("?seats=3,1,2"), [3, 1, 2]);
  const seats = Array.from({ length: TICKETS_MAX + 1 }, (_, index) => index + 1);
  assert.deepEqual(readSeats(`?a=b&seats=${seats}`), seats.slice(0, TICKETS_MAX));
});

test("a seat is read once", () => {
  assert.deepEqual(readSeats("?seats=2,1,2,01,1.0"), [2, 1]);
});

test("anything else in the address is ignored", () => {
  assert.deepEqual(readSeats(""), []);
  assert.deepEqual(readSeats("?seats="), []);
  assert.deepEqual(readSeats("?seats=x,-1,0,1.5,1e300,7"), [7]);
  assert.equal(readTickets("?tickets=VIP&tickets=0+VIP&tickets=-1+VIP&tickets=1"), null);
});

test("tickets without a seat are read beside the seats, up to the limit", () => {
  const tickets = { seats: [9, 10], quantities: { GA: 1, "2 & 3": 2, constructor: 1 } };
  const { picks, quantities } = readTickets(`?${writeTickets(tickets)}`) ?? {};
  assert.deepEqual({ seats: picks, quantities }, tickets);
  const many = readTickets(`?seats=1&tickets=${TICKETS_MAX}+GA&tickets=1+VIP`);
  assert.deepEqual(many, { picks: [1], quantities: { GA: TICKETS_MAX - 1 } });
  assert.equal(writeTickets({ seats: [], quantities: {} }), "");
});

test("only the path of an event's page has a slug", () => {
  assert.equal(readSlug("/event/aurora-sessions"), "aurora-sessions");
  assert.equal(readSlug("/event/aurora-sessions/"), "aurora-sessions");
  for (const path of ["/", "/event/", "/event/%61urora", "/event/a/b", "/booking/event/a"])
    assert.equal(readSlug(path), "");
});
