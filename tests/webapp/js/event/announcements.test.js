import assert from "node:assert/strict";
import { test } from "node:test";

import { announce } from "../../../../webapp/js/event/announcements.js";
import { deriveTier } from "../../../../webapp/js/event/tiers.js";
import { at, counts, EVENT, loaded, NOW } from "./examples.js";

/** @import { EventState } from "../../../../webapp/js/event/state.js" */

/**
 * @param {Partial<EventState>} changes
 * @param {{ now?: number, phase?: string }} [options]
 */
function announcementFor(changes, { now = NOW, phase = "live" } = {}) {
  const state = loaded(changes);
  const tiers = EVENT.tiers.map((tier) => deriveTier(state, tier, NOW, 0));
  return announce(state, { phase, tiers }, now);
}

test("the chosen tier's count is announced", () => {
  assert.deepEqual(announcementFor({}), { announcement: { code: "left", tier: "VIP", left: 6 }, announcedAt: NOW });
});

test("the last ticket is announced", () => {
  assert.equal(announcementFor({ counts: counts(1, 6, 100) })?.announcement.left, 1);
});

test("an equal announcement is not repeated", () => {
  assert.equal(announcementFor({ announcement: { code: "left", tier: "VIP", left: 6 } }), null);
});

test("counts are announced every fifteen seconds at most", () => {
  const announced = { announcement: { code: "left", tier: "VIP", left: 9 }, announcedAt: NOW };
  assert.equal(announcementFor(announced, { now: NOW + 14_999 }), null);
  assert.equal(announcementFor(announced, { now: NOW + 15_000 })?.announcement.left, 6);
});

test("the end of a tier is announced at once", () => {
  const empty = {
    counts: counts(0, 6, 100),
    emptySince: { VIP: at(0) },
    announcement: { code: "left", tier: "VIP", left: 1 },
    announcedAt: NOW,
  };
  assert.equal(announcementFor(empty)?.announcement.code, "sold_out");
  const holds = { VIP: { held: 1, heldUntil: null } };
  assert.equal(announcementFor({ ...empty, holds })?.announcement.code, "all_held");
});

test("stale or unknown counts are not announced", () => {
  assert.equal(announcementFor({}, { phase: "stale" }), null);
  assert.equal(announcementFor({ tier: "" }), null);
  // Empty, but the seat states are older than the counts.
  assert.equal(announcementFor({ counts: counts(0, 6, 100), emptySince: { VIP: at(1) } }), null);
});
