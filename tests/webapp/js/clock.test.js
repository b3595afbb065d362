import assert from "node:assert/strict";
import { test } from "node:test";

import { createServerClock, secondsUntil } from "../../../webapp/js/clock.js";

const NOON = Date.parse("2026-06-01T12:00:00Z");

/** @param {number} time */
const asOf = (time) => new Date(time).toISOString();

/** Return a server clock and a browser clock that a test can set. */
function clocks(local = NOON) {
  const browser = { now: local };
  return { browser, server: createServerClock(() => browser.now) };
}

test("before the first response the browser's clock is used", () => {
  const { server } = clocks();
  assert.equal(server.now(), NOON);
});

test("a browser that is ten minutes fast is corrected", () => {
  const { browser, server } = clocks(NOON + 600_000);
  server.observe(asOf(NOON));
  assert.equal(server.now(), NOON);
  browser.now += 5_000;
  assert.equal(server.now(), NOON + 5_000);
});

test("old responses do not set the clock back", () => {
  const { server } = clocks();
  server.observe(asOf(NOON - 100));
  server.observe(asOf(NOON - 900));
  assert.equal(server.now(), NOON - 100);
});

test("a change of the browser's clock is corrected by the next responses", () => {
  const { browser, server } = clocks();
  server.observe(asOf(NOON));
  browser.now += 3_600_000;
  for (let poll = 0; poll < 7; poll++) server.observe(asOf(NOON));
  assert.equal(server.now(), NOON + 3_600_000);
  server.observe(asOf(NOON));
  assert.equal(server.now(), NOON);
});

test("a response without a time changes nothing", () => {
  const { server } = clocks();
  server.observe(asOf(NOON - 500));
  server.observe("");
  server.observe("not a time");
  assert.equal(server.now(), NOON - 500);
});

test("a countdown shows whole seconds and ends at 0", () => {
  const end = asOf(NOON + 2_000);
  assert.equal(secondsUntil(end, NOON), 2);
  assert.equal(secondsUntil(end, NOON + 1), 2);
  assert.equal(secondsUntil(end, NOON + 1_000), 1);
  assert.equal(secondsUntil(end, NOON + 1_999), 1);
  assert.equal(secondsUntil(end, NOON + 2_000), 0);
  assert.equal(secondsUntil(end, NOON + 9_000), 0);
});
