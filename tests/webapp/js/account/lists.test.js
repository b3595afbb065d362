import assert from "node:assert/strict";
import { test } from "node:test";

import { deriveList, INITIAL_STATE, isPagePath, pagePath } from "../../../../webapp/js/orders/list_view.js";
import { NOW } from "../orders/examples.js";

const ANN = "ann@example.org";

test("the list of an account replaces that of the name", () => {
  assert.equal(pagePath("user-1", "past", null, ANN), "/api/me/orders?show=past&limit=10#ann%40example.org");
  const second = pagePath("", "past", { body: { orders: [], next: "x=1" }, asOf: "" }, ANN);
  assert.equal(second, "/api/me/orders?show=past&limit=10&cursor=x%3D1#ann%40example.org");
  assert.deepEqual([isPagePath(second, "past"), isPagePath(second, "upcoming")], [true, false]);
  assert.equal(deriveList({ ...INITIAL_STATE, account: ANN }, NOW).phase, "loading");
});

test("the cached lists of two accounts have different keys", () =>
  assert.notEqual(pagePath("", "past", null, ANN), pagePath("", "past", null, "bob@example.org")));
