import assert from "node:assert/strict";
import { test } from "node:test";

import { pastTimes } from "../../../../webapp/js/event/state.js";
import { loaded, NOW } from "./examples.js";

test("a clock that is set back makes no data look fresh", () => {
  const state = loaded({ countsFreshAt: NOW, statesFreshAt: NOW - 5_000, stockChangedAt: NOW, announcedAt: NOW });
  const before = NOW - 3_600_000;
  const times = pastTimes(state, before);
  assert.deepEqual(times, {
    countsFreshAt: before,
    statesFreshAt: before,
    stockChangedAt: before,
    announcedAt: before,
  });
  assert.deepEqual(pastTimes(state, NOW), {
    countsFreshAt: NOW,
    statesFreshAt: NOW - 5_000,
    stockChangedAt: NOW,
    announcedAt: NOW,
  });
});
