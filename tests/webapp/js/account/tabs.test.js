import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { rememberEmail } from "../../../../webapp/js/email.js";
import { sharedArea } from "../../../../webapp/js/remembered.js";

const SESSION = "../../../../webapp/js/account/session.js";
const ANN = "ann@example.org";

const savedNavigator = Object.getOwnPropertyDescriptor(globalThis, "navigator");

/** A lock manager without a browser: the requests for a lock follow each other. */
class FakeLocks {
  /** @type {Promise<unknown>} */
  #last = Promise.resolve();

  /** @param {string} _ @param {() => Promise<unknown>} work */
  request(_, work) {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }
}

/** @param {unknown} locks */
const define = (locks) =>
  Object.defineProperty(globalThis, "navigator", { value: { locks }, configurable: true, writable: true });

beforeEach(() => define(new FakeLocks()));
afterEach(() => {
  sharedArea.remove("account");
  rememberEmail("");
  if (savedNavigator) Object.defineProperty(globalThis, "navigator", savedNavigator);
});

/**
 * Let the API exchange the token in the cookie, and let the first response arrive last. Each request changes the cookie
 * when its response arrives.
 * @param {import("node:test").TestContext} context
 */
function slowApi(context) {
  let cookie = 0;
  let generation = 0;
  /** @type {((value?: unknown) => void)[]} */
  const waiting = [];
  context.mock.method(globalThis, "fetch", async () => {
    generation = Math.max(generation, cookie + 1);
    const own = cookie + 1;
    await new Promise((resolve) => waiting.push(resolve));
    cookie = own;
    return Response.json({ accessToken: `token ${own}`, expiresAt: "", account: { email: ANN } });
  });
  return { waiting, cookie: () => cookie, generation: () => generation };
}

/** Let all promises that can settle do so. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** @param {string} name @returns {Promise<typeof import("../../../../webapp/js/account/session.js")>} */
const openTab = (name) => import(`${SESSION}?${name}`);

test("tabs that refresh at the same time end with the newest token in the cookie", async (context) => {
  const api = slowApi(context);
  const [first, second] = [await openTab("first"), await openTab("second")];
  const signIns = [first, second].map((tab) => tab.signIn({ method: "link", token: "S1.x" }));
  await settled();
  assert.equal(api.waiting.length, 1, "the second tab waits for the first one");
  while (api.waiting.length > 0) {
    api.waiting.pop()?.(); // The last request gets its response first.
    await settled();
  }
  assert.deepEqual(await Promise.all(signIns), ["done", "done"]);
  assert.deepEqual([api.cookie(), api.generation()], [2, 2]);
});

test("a browser without locks refreshes all the same", async (context) => {
  define(undefined);
  const api = slowApi(context);
  const tab = await openTab("without");
  const signIn = tab.signIn({ method: "link", token: "S1.x" });
  await settled();
  api.waiting.pop()?.();
  assert.equal(await signIn, "done");
});

/** Pages that the browser has kept whole, and whether the way back to them loads them anew. */
for (const [shown, signedIn, isLoaded] of /** @type {const} */ ([
  [ANN, "bob@example.org", true],
  [ANN, "", true],
  [ANN, ANN, false],
  ["", ANN, false],
]))
  test(`the way back to a page of "${shown}" after a sign-in of "${signedIn}"`, async (context) => {
    const reload = context.mock.fn();
    /** @type {Record<string, (event: { persisted: boolean }) => void>} */
    const listeners = {};
    const addEventListener = (/** @type {string} */ name, /** @type {() => void} */ listener) => {
      listeners[name] = listener;
    };
    Object.assign(globalThis, { window: { addEventListener, location: { reload } } });
    try {
      if (shown) sharedArea.set("account", shown);
      const tab = await openTab(`${shown} ${signedIn}`);
      tab.recallAccount();
      if (signedIn) sharedArea.set("account", signedIn);
      else sharedArea.remove("account");
      listeners.pageshow?.({ persisted: true });
      assert.equal(reload.mock.callCount() > 0, isLoaded);
    } finally {
      Reflect.deleteProperty(globalThis, "window");
    }
  });
