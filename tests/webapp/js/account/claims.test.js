import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { ACCOUNT_KEPT_AS } from "../../../../webapp/js/account/address.js";
import { assignClaimed } from "../../../../webapp/js/account/claims.js";
import { forgetOtherAccounts } from "../../../../webapp/js/account/forgetting.js";
import { sharedArea } from "../../../../webapp/js/remembered.js";
import { guestReferences, keepSecret, secretOf } from "../../../../webapp/js/secrets.js";

const ANN = "ann@example.org";
const SECRET = "s".repeat(43);
const REFRESH = "/api/sessions/refresh";
const FIRST = "/api/me/orders?limit=100";
const SECOND = "/api/me/orders?limit=100&cursor=7";

/**
 * Let `fetch` respond to paths, and return the paths so far.
 * @param {import("node:test").TestContext} context
 * @param {Record<string, () => Response>} responses
 */
function fakeApi(context, responses) {
  /** @type {Record<string, () => Response>} */
  const all = { [REFRESH]: () => Response.json({ accessToken: "first", account: { email: ANN } }), ...responses };
  const fetched = context.mock.method(globalThis, "fetch", async (/** @type {string} */ path) => all[path]());
  return () => fetched.mock.calls.map(({ arguments: [path] }) => path).filter((path) => path !== REFRESH);
}

/** @param {string[]} references @param {string | null} next */
const listed = (references, next) => () =>
  Response.json({ orders: references.map((reference) => ({ reference })), next });

beforeEach(() => {
  for (const key of sharedArea.keys()) sharedArea.remove(key);
  for (const reference of ["bk_1", "bk_2", "bk_3"]) keepSecret(reference, SECRET + reference.slice(-1));
  sharedArea.set(ACCOUNT_KEPT_AS, ANN);
});

test("the orders on every page of the account's list are assigned", async (context) => {
  const requests = fakeApi(context, { [FIRST]: listed(["bk_1", "bk_9"], "7"), [SECOND]: listed(["bk_3"], null) });
  assert.equal(await assignClaimed(), "done");
  assert.deepEqual([requests(), guestReferences()], [[FIRST, SECOND], ["bk_2"]]);
  forgetOtherAccounts("");
  assert.deepEqual(["bk_1", "bk_2", "bk_3"].map(secretOf), ["", `${SECRET}2`, ""]);
});

test("no page is read without orders of guests", async (context) => {
  const requests = fakeApi(context, { [FIRST]: listed(["bk_1", "bk_2", "bk_3"], "7") });
  assert.equal(await assignClaimed(), "done");
  assert.equal(await assignClaimed(), "done");
  assert.deepEqual(requests(), [FIRST]);
});

test("a guest reads nothing", async (context) => {
  sharedArea.remove(ACCOUNT_KEPT_AS);
  const requests = fakeApi(context, {});
  assert.deepEqual([await assignClaimed(), requests()], ["done", []]);
});

for (const [name, response, outcome] of /** @type {const} */ ([
  ["a refusal for too many requests", () => new Response("{}", { status: 429 }), "limited"],
  ["an error of the API", () => new Response("{}", { status: 503 }), "failed"],
  ["a response that is cut", () => new Response('{"orders": ['), "failed"],
]))
  test(`${name} is reported`, async (context) => {
    fakeApi(context, { [FIRST]: response });
    assert.equal(await assignClaimed(), outcome);
    assert.equal(guestReferences().length, 3);
  });

test("the end of the session is no failure", async (context) => {
  const ended = () => new Response("{}", { status: 401 });
  fakeApi(context, { [FIRST]: ended, [REFRESH]: ended });
  assert.equal(await assignClaimed(), "done");
});
