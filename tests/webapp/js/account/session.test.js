import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import {
  accessToken,
  account,
  fetchAsAccount,
  leaveEndedSession,
  setPassword,
  signIn,
  signOut,
} from "../../../../webapp/js/account/session.js";
import { recallContact, rememberEmail } from "../../../../webapp/js/email.js";
import { fetchSnapshot } from "../../../../webapp/js/http.js";
import { keepSecret, secretOf } from "../../../../webapp/js/secrets.js";

const ANN = "ann@example.org";
const SESSIONS = "/api/sessions";
const REFRESH = `${SESSIONS}/refresh`;
const ORDER = "/api/bookings/bk_1";

/**
 * Let `fetch` respond to paths, and return the requests so far. A path without a response gets an empty object.
 * @param {import("node:test").TestContext} context
 * @param {Record<string, () => Response>} [responses]
 */
function fakeApi(context, responses = {}) {
  const fetched = context.mock.method(globalThis, "fetch", async (/** @type {string} */ path) =>
    (responses[path] ?? (() => Response.json({})))(),
  );
  return () =>
    fetched.mock.calls.map(({ arguments: [path, init] }) => {
      const { headers, credentials } = /** @type {any} */ (init);
      return [path, headers?.Authorization ?? "", credentials ?? ""];
    });
}

const opened = (/** @type {string} */ token) => () =>
  Response.json({ accessToken: token, expiresAt: "", account: { id: "1", email: ANN, hasPassword: false, roles: [] } });

const status = (/** @type {number} */ code) => () => new Response("{}", { status: code });

/** Sign in, so that the module has the token "first". @param {import("node:test").TestContext} context */
async function enter(context) {
  fakeApi(context, { [SESSIONS]: opened("first") });
  assert.equal(await signIn({ method: "link", token: "S1.x" }), "done");
  context.mock.restoreAll();
}

/** Sign in, then lose the token as a reload of the page does. @param {import("node:test").TestContext} context */
async function enterAnew(context) {
  await enter(context);
  fakeApi(context, { [ORDER]: status(401), [REFRESH]: status(503) });
  await assert.rejects(fetchAsAccount(ORDER, {}));
  context.mock.restoreAll();
}

afterEach(async (context) => {
  fakeApi(/** @type {any} */ (context), { [REFRESH]: status(401) });
  await signOut(false);
  rememberEmail("");
});

test("a guest sends no request for an account, and no access token", async (context) => {
  const requests = fakeApi(context);
  await fetchSnapshot(ORDER);
  assert.equal(await accessToken(), null);
  assert.deepEqual(requests(), [[ORDER, "", ""]]);
});

test("a sign-in keeps the token for the account's requests, and the address for the forms", async (context) => {
  await enter(context);
  assert.deepEqual(recallContact("en"), { email: ANN, locale: "en" });
  const requests = fakeApi(context);
  for (const path of ["/api/me/orders?limit=10", ORDER, "/api/bookings?event=x", "/api/events/x", "/api/tickets"])
    await fetchAsAccount(path, {});
  assert.deepEqual(requests(), [
    ["/api/me/orders?limit=10", "Bearer first", ""],
    [ORDER, "Bearer first", ""],
    ["/api/bookings?event=x", "Bearer first", ""],
    ["/api/events/x", "", ""],
    ["/api/tickets", "", ""],
  ]);
});

test("concurrent requests of a new page share one refresh", async (context) => {
  await enterAnew(context);
  const requests = fakeApi(context, { [REFRESH]: opened("second") });
  await Promise.all([fetchAsAccount(ORDER, {}), fetchAsAccount("/api/me", {})]);
  assert.deepEqual(requests(), [
    [REFRESH, "", "include"],
    [ORDER, "Bearer second", ""],
    ["/api/me", "Bearer second", ""],
  ]);
});

test("an expired token is replaced once", async (context) => {
  await enter(context);
  const requests = fakeApi(context, { [ORDER]: status(401), [REFRESH]: opened("second") });
  assert.equal((await fetchAsAccount(ORDER, {})).status, 401);
  assert.deepEqual(requests(), [
    [ORDER, "Bearer first", ""],
    [REFRESH, "", "include"],
    [ORDER, "Bearer second", ""],
  ]);
});

test("after the end of the session the browser is a guest's", async (context) => {
  await enter(context);
  const requests = fakeApi(context, { [ORDER]: status(401), [REFRESH]: status(401) });
  await fetchAsAccount(ORDER, {});
  await fetchAsAccount(ORDER, {});
  assert.deepEqual(requests(), [
    [ORDER, "Bearer first", ""],
    [REFRESH, "", "include"],
    [ORDER, "", ""],
    [ORDER, "", ""],
  ]);
  assert.deepEqual(recallContact("en"), {});
});

test("a session that has ended elsewhere leaves nothing of the account", async (context) => {
  await enterAnew(context);
  keepSecret("bk_ended", "s".repeat(43));
  for (const [code, hasLeft] of [
    [503, false],
    [401, true],
  ]) {
    fakeApi(context, { [REFRESH]: status(Number(code)) });
    assert.equal(await leaveEndedSession(), hasLeft);
    assert.equal(secretOf("bk_ended") === "", hasLeft);
    context.mock.restoreAll();
  }
  assert.equal(await leaveEndedSession(), false);
});

test("a session that goes on stays", async (context) => {
  await enter(context);
  assert.equal(await leaveEndedSession(), false);
  assert.equal(await accessToken(), "first");
});

test("a cookie of another account than the page shows makes the browser a guest's", async (context) => {
  await enterAnew(context);
  const ofBob = Response.json({ accessToken: "bob's", expiresAt: "", account: { email: "bob@example.org" } });
  const requests = fakeApi(context, { [REFRESH]: () => ofBob });
  await fetchAsAccount(ORDER, {});
  assert.deepEqual(requests(), [
    [REFRESH, "", "include"],
    [ORDER, "", ""],
  ]);
  assert.equal(account.get(), "");
});

test("a failed refresh is repeated by the next request", async (context) => {
  await enterAnew(context);
  fakeApi(context, { [REFRESH]: status(503) });
  await assert.rejects(accessToken(), /503/);
  context.mock.restoreAll();
  fakeApi(context, { [REFRESH]: opened("second") });
  assert.equal(await accessToken(), "second");
});

for (const [code, outcome] of /** @type {const} */ ([
  [401, "refused"],
  [400, "refused"],
  [429, "limited"],
  [503, "failed"],
]))
  test(`a sign-in with the response ${code} is ${outcome}`, async (context) => {
    const requests = fakeApi(context, { [SESSIONS]: status(code) });
    assert.equal(await signIn({ method: "password", email: ANN, password: "wrong" }), outcome);
    assert.deepEqual(requests(), [[SESSIONS, "", "include"]]);
    assert.equal(await accessToken(), null);
  });

test("signing out ends the session and forgets the address", async (context) => {
  await enter(context);
  const requests = fakeApi(context, { [SESSIONS]: () => new Response(null, { status: 204 }) });
  assert.equal(await signOut(true), "done");
  assert.deepEqual(requests(), [[SESSIONS, "Bearer first", "include"]]);
  assert.deepEqual([await accessToken(), account.get(), recallContact("en")], [null, "", {}]);
});

test("a sign-out that does not reach the API leaves the buyer signed in", async (context) => {
  await enter(context);
  fakeApi(context, { [`${SESSIONS}/current`]: status(503) });
  assert.equal(await signOut(false), "failed");
  assert.equal(await accessToken(), "first");
});

test("an old session may not set a password", async (context) => {
  await enter(context);
  fakeApi(context, { "/api/me/password": status(403) });
  assert.equal(await setPassword({ password: "long enough" }), "refused");
});
