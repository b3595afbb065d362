// The session of a signed-in buyer. The access token stays in memory. The refresh token is in a cookie that no script can
// read, and every tab exchanges it for an access token of its own. Tabs change the cookie one after another, because a
// late response would replace a newer token by an older one, whose use ends the session.

import { recallEmail, rememberEmail } from "../email.js";
import { attempt, sharedArea } from "../remembered.js";
import { settings } from "../settings.js";
import { createStore } from "../store.js";
import { ACCOUNT_KEPT_AS, signedInAs } from "./address.js";
import { forgetVisitor, leaveTab } from "./forgetting.js";

/** @import { AccountSession, PasswordRequest, SignInRequest } from "../account_schemas.js" */

/**
 * The outcome of a request for a page: `refused` by the API (a used link, a wrong password, an unknown passkey, an old
 * session), `limited` by the API, or `failed` without a usable response.
 * @typedef {"done" | "refused" | "limited" | "failed"} SessionOutcome
 */

/** The name of the time of the last sign-out in the browser's storage. Each change reloads the pages of the other tabs. */
const SIGNED_OUT_AS = "signed-out";
const SESSIONS = "/api/sessions";
/** The name of the lock of the tab that changes the cookie. */
const LOCK = "account-session";
const TIMEOUT_MS = 15_000;
/** Paths whose requests carry the access token of a signed-in buyer. */
const OF_ACCOUNT = /^\/api\/(?:me|bookings|sessions)(?:[/?]|$)/;

/** The access token, or the request for it; null: none yet. @type {Promise<string | null> | null} */
let token = null;

/** The address of the account, for pages. It is "" for guests, and until `recallAccount`. */
export const account = createStore("");

/** Show the account on this page. The build draws every page for a guest, so call this function after the hydration. */
export const recallAccount = () => account.set(signedInAs());

if (typeof window !== "undefined") {
  const lastSignOut = sharedArea.get(SIGNED_OUT_AS);
  window.addEventListener("storage", ({ key }) => {
    if (key === SIGNED_OUT_AS) return leaveTab();
    // Another tab has signed in, or its session has ended. `key` is null if it has cleared the storage.
    if (key !== ACCOUNT_KEPT_AS && key !== null) return;
    token = null;
    recallAccount();
  });
  // The back/forward cache keeps whole pages, and reports no change of the storage to them.
  window.addEventListener("pageshow", ({ persisted }) => {
    if (!persisted) return;
    const isOfOther = account.get() !== "" && account.get() !== signedInAs();
    if (isOfOther || sharedArea.get(SIGNED_OUT_AS) !== lastSignOut) leaveTab();
  });
}

/** Let the pages of the other tabs load anew. */
const announceSignOut = () => sharedArea.set(SIGNED_OUT_AS, String(Date.now()));

/**
 * Send a request to the API: as the account of this browser if the path depends on it, else as a guest.
 *
 * A token that has expired is replaced once. After the end of the session the request is sent as a guest.
 * @param {string} path
 * @param {RequestInit & { headers?: Record<string, string> }} init
 * @returns {Promise<Response>}
 * @throws {Error} the API did not respond, or gave no access token
 */
export function fetchAsAccount(path, init) {
  const isOfAccount = signedInAs() !== "" && OF_ACCOUNT.test(path);
  return isOfAccount ? fetchWithToken(path, init) : fetch(settings.apiUrl + path, init);
}

/**
 * @param {string} path
 * @param {RequestInit & { headers?: Record<string, string> }} init
 */
async function fetchWithToken(path, init) {
  const send = (/** @type {string | null} */ bearer) =>
    fetch(
      settings.apiUrl + path,
      bearer === null ? init : { ...init, headers: { ...init.headers, Authorization: `Bearer ${bearer}` } },
    );
  const first = await accessToken();
  const response = await send(first);
  if (first === null || response.status !== 401) return response;
  if ((await token) === first) token = null;
  return send(await accessToken());
}

/**
 * Return the access token, or null for a guest. Concurrent calls share one request.
 * @returns {Promise<string | null>}
 * @throws {Error} the API did not respond, or refused the request for another reason than the end of the session
 */
export function accessToken() {
  if (signedInAs() === "") return Promise.resolve(null);
  token ??= refresh().catch((error) => {
    token = null;
    throw error;
  });
  return token;
}

const refresh = () =>
  alone(async () => {
    const response = await post("/refresh");
    if (response.ok) {
      const { accessToken: renewed, account: own } = /** @type {AccountSession} */ (await response.json());
      // The cookie is another account's after a sign-in whose response was lost.
      if (own.email === signedInAs()) return renewed;
    } else if (response.status !== 401)
      throw new Error(`The API responded to the refresh of the session with status ${response.status}`);
    forgetAccount();
    return null;
  });

/**
 * Sign in with the token of a link, a password or a passkey. The forms then contain the address of the account.
 * @param {SignInRequest} request
 * @returns {Promise<SessionOutcome>}
 */
export async function signIn(request) {
  try {
    return await alone(() => enter(request));
  } catch {
    return "failed";
  }
}

/**
 * @param {SignInRequest} request
 * @returns {Promise<SessionOutcome>}
 */
async function enter(request) {
  const response = await post("", request);
  if (!response.ok) return outcomeOf(response.status);
  const { accessToken: opened, account: own } = /** @type {AccountSession} */ (await response.json());
  token = Promise.resolve(opened);
  sharedArea.set(ACCOUNT_KEPT_AS, own.email);
  rememberEmail(own.email);
  return "done";
}

/**
 * End the session of this browser, or all sessions of the account.
 * @param {boolean} isEverywhere
 * @returns {Promise<SessionOutcome>}
 */
export async function signOut(isEverywhere) {
  const outcome = await sendChange(isEverywhere ? SESSIONS : `${SESSIONS}/current`, { method: "DELETE" });
  // A session that has ended already is signed out as well.
  if (outcome !== "done" && signedInAs() !== "") return outcome;
  forgetAccount();
  return "done";
}

/**
 * Forget the visitor if the session has ended elsewhere, for example on a staff page or in another browser.
 *
 * Pages on which a buyer may be booking do not call this function, because they go on as those of a guest.
 * @returns {Promise<boolean>} true: this browser has forgotten the account
 */
export async function leaveEndedSession() {
  if (signedInAs() === "") return false;
  const isOver = await accessToken().then(
    (current) => current === null,
    () => false,
  );
  if (!isOver) return false;
  forgetVisitor();
  announceSignOut();
  return true;
}

/** Forget the account in all tabs after the end of its session. The pages of this browser load anew. */
export function leaveBrowser() {
  forgetAccount();
  forgetVisitor();
  announceSignOut();
  leaveTab();
}

/**
 * Set the password of the account.
 * @param {PasswordRequest} request
 * @returns {Promise<SessionOutcome>} `refused`: the session has begun too long ago
 */
export const setPassword = (request) => sendChange("/api/me/password", withBody("PUT", request));

/**
 * Send a change to the API as the account of this browser.
 * @param {string} path
 * @param {RequestInit & { headers?: Record<string, string> }} init
 */
async function sendChange(path, init) {
  const { outcome } = await sendAsAccount(path, init);
  return outcome;
}

/**
 * Send a request to the API as the account of this browser, or as a guest; return the response if it is a success.
 * @param {string} path
 * @param {RequestInit & { headers?: Record<string, string> }} init
 * @returns {Promise<{ outcome: SessionOutcome, status: number, response: Response | null }>} status 0: no response
 */
export async function sendAsAccount(path, init) {
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetchAsAccount(path, { ...init, credentials: "include", signal });
    const { ok, status } = response;
    return ok ? { outcome: "done", status, response } : { outcome: outcomeOf(status), status, response: null };
  } catch {
    return { outcome: "failed", status: 0, response: null };
  }
}

/**
 * Return the parts of a request with a JSON body.
 * @param {string} method
 * @param {object} body
 */
export const withBody = (method, body) => ({
  method,
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(body),
});

/**
 * @param {number} status
 * @returns {SessionOutcome}
 */
const outcomeOf = (status) => (status === 429 ? "limited" : status < 500 ? "refused" : "failed");

/**
 * Send a request that changes the cookie of the session.
 * @param {string} path path below `SESSIONS`
 * @param {SignInRequest} [body]
 */
const post = (path, body) =>
  fetch(settings.apiUrl + SESSIONS + path, {
    method: "POST",
    credentials: "include",
    signal: AbortSignal.timeout(TIMEOUT_MS),
    ...(body ? withBody("POST", body) : {}),
  });

/**
 * Call a function that changes the cookie while no other tab of this browser does. Without locks (plain http) the tabs do
 * not wait. The cookie and the address of the account change in the same call, so that they name the same account.
 * @template T
 * @param {() => Promise<T>} change
 * @returns {Promise<T>}
 */
function alone(change) {
  const locks = attempt(() => navigator.locks);
  return locks ? locks.request(LOCK, change) : change();
}

/** Make this browser a guest's. */
function forgetAccount() {
  if (recallEmail() === signedInAs()) rememberEmail("");
  token = null;
  sharedArea.remove(ACCOUNT_KEPT_AS);
  recallAccount();
}
