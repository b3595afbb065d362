import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { ACCOUNT_KEPT_AS } from "../../../../webapp/js/account/address.js";
import { forgetVisitor, leaveTab } from "../../../../webapp/js/account/forgetting.js";
import { keepCode, keepOrder } from "../../../../webapp/js/offline/kept_orders.js";
import { keepTickets } from "../../../../webapp/js/own_tickets.js";
import { orderPath } from "../../../../webapp/js/paths.js";
import { sharedArea, tabArea } from "../../../../webapp/js/remembered.js";
import { keepSecret } from "../../../../webapp/js/secrets.js";
import { area } from "../browser_storage.js";
import { event, order } from "../orders/examples.js";

afterEach(() => {
  for (const name of ["localStorage", "window"]) Reflect.deleteProperty(globalThis, name);
});

test("no response restores an order after a sign-out", (context) => {
  const stored = area();
  const reload = context.mock.fn();
  for (const [name, value] of Object.entries({ localStorage: stored, window: { location: { reload } } }))
    Object.defineProperty(globalThis, name, { value, configurable: true });

  const respond = () => {
    keepOrder(order({ reference: "bk_1" }), event());
    keepCode(`${orderPath("bk_1")}/tickets/1.svg`, "<svg/>");
    keepTickets(order({ reference: "bk_1" }));
    tabArea.set("purchase", "{}");
  };
  sharedArea.set("language", "de");
  sharedArea.set(ACCOUNT_KEPT_AS, "ann@example.org");
  keepSecret("bk_1", "s".repeat(43));
  respond();
  forgetVisitor();
  sharedArea.remove(ACCOUNT_KEPT_AS);

  // Another tab learns of the sign-out after a response.
  respond();
  assert.notDeepEqual(Object.keys(stored), ["language"]);
  leaveTab();
  assert.deepEqual([Object.keys(stored), tabArea.keys()], [["language"], []]);
  assert.equal(reload.mock.callCount(), 1);
  // The page has not ended yet.
  respond();
  keepSecret("bk_1", "s".repeat(43));
  assert.deepEqual(Object.keys(stored), ["language"]);
});
