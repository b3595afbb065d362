import assert from "node:assert/strict";
import { test } from "node:test";

import { deriveZoom, zoomBy } from "../../../../webapp/js/event/zoom.js";

test("only a narrow screen can zoom out to the whole map", () => {
  assert.equal(zoomBy({ fit: 0.5, zoom: 0 }, -1), -1);
  assert.equal(zoomBy({ fit: 0.5, zoom: -1 }, -1), -1);
  assert.equal(zoomBy({ fit: 1, zoom: 0 }, -1), 0);
  assert.deepEqual(deriveZoom({ fit: 0.5, zoom: -1 }), { zoom: 0, widest: false, whole: true });
  assert.deepEqual(deriveZoom({ fit: 0.5, zoom: 0 }), { zoom: 1, widest: false, whole: false });
  assert.deepEqual(deriveZoom({ fit: 1, zoom: 0 }), { zoom: 1, widest: false, whole: true });
});

test("each level is closer than the one before", () => {
  const scales = [0, 1, 2, 3].map((zoom) => deriveZoom({ fit: 1, zoom }).zoom);
  assert.deepEqual(scales, [1, 1.4, 2, 2.8]);
  assert.equal(deriveZoom({ fit: 1, zoom: 2 }).widest, false);
});

test("zooming in ends at the widest level", () => {
  assert.equal(zoomBy({ fit: 1, zoom: 2 }, 1), 3);
  assert.equal(zoomBy({ fit: 1, zoom: 3 }, 1), 3);
  assert.deepEqual(deriveZoom({ fit: 1, zoom: 3 }), { zoom: 2.8, widest: true, whole: false });
});
