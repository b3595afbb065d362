// The typed name of the buyer: the tab keeps it until a name is stored.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import {
  keepDraft,
  recallDraft,
  recallName,
  rememberName,
  sharedArea,
  tabArea,
} from "../../../webapp/js/remembered.js";

beforeEach(() => {
  for (const area of [sharedArea, tabArea]) for (const key of area.keys()) area.remove(key);
});

test("the typed text precedes the stored name in its tab", () => {
  rememberName("user", "Ada");
  keepDraft("user", "Grac");
  assert.deepEqual([recallDraft("user"), recallName("user")], ["Grac", "Ada"]);
  // Other tabs do not see the typed text.
  assert.deepEqual(sharedArea.keys(), ["user"]);
});

test("an emptied field returns to the stored name", () => {
  keepDraft("user", "Grace");
  keepDraft("user", "");
  assert.equal(recallDraft("user"), "");
  rememberName("user", "Ada");
  assert.equal(recallDraft("user"), "Ada");
});

test("a stored name replaces the typed text", () => {
  keepDraft("user", "Grace");
  rememberName("user", "Ada");
  assert.equal(recallDraft("user"), "Ada");
});
