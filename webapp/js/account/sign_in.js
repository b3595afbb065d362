// The page that signs in: the link in the page's address, the form that requests a link, a passkey, and a password.
import { createElement, useEffect } from "react";
import { readEmail, rememberEmail } from "../email.js";
import { keepFocus } from "../focus.js";
import { useStore } from "../hooks.js";
import { currentLanguage } from "../language.js";
import { requestSignInLink } from "../orders/mail_request.js";
import { createStore } from "../store.js";
import { signedInAs } from "./address.js";
import { assignClaimed } from "./claims.js";
import { hasPasskeys, signChallenge } from "./device.js";
import { forgetOtherAccounts } from "./forgetting.js";
import { takeLinkToken } from "./link_token.js";
import { keepReturnPath, takeReturnPath } from "./return_path.js";
import { leaveEndedSession, sendAsAccount, signIn } from "./session.js";

/** @import { SubmitEvent } from "react" */
/** @import { PasskeyChallenge, SignInRequest } from "../account_schemas.js" */
/** @import { CeremonyFault } from "./device.js" */
/** @import { SessionOutcome } from "./session.js" */

/** @typedef {"idle" | "sending" | "sent" | "invalid" | SessionOutcome | CeremonyFault} Phase */

/**
 * @typedef {object} SignIn
 * @property {boolean} has_link The page was opened by a link that is not known to be used.
 * @property {Phase} link
 * @property {Phase} mail
 * @property {Phase} password
 * @property {Phase} passkey
 * @property {boolean} has_passkeys The browser can sign in with a passkey.
 * @property {number} mail_refusals Number of refused addresses in the form that requests a link.
 * @property {number} password_refusals Number of refused addresses in the form with a password.
 */

const BOOKINGS = "/bookings";
const FIRST_FIELD = ".sign-in input";

const state = createStore(
  /** @type {SignIn} */ ({
    has_link: false,
    link: "idle",
    mail: "idle",
    password: "idle",
    passkey: "idle",
    has_passkeys: false,
    mail_refusals: 0,
    password_refusals: 0,
  }),
);
/** The token of the link. It leaves the memory with the page. */
let token = "";

/** @param {Partial<SignIn>} changes */
const update = (changes) => state.set({ ...state.get(), ...changes });

/** Draw a component from the state of the page. */
export const useSignIn = () => useStore(state);

/** Takes the link out of the page's address. It draws nothing. */
export function SignInFeed() {
  useEffect(() => {
    const take = () => {
      const taken = takeLinkToken();
      if (taken === "") return false;
      token = taken;
      update({ has_link: true, link: "idle" });
      return true;
    };
    keepReturnPath(window.location.search, take());
    update({ has_passkeys: hasPasskeys() });
    void leaveEndedSession();
    // A link that the visitor pastes into this tab changes only the fragment, so that no page loads.
    window.addEventListener("hashchange", take);
    return () => window.removeEventListener("hashchange", take);
  }, []);
  return null;
}

/** Sign in with the link. Only a click uses the link, because programs that scan e-mails open it as well. */
export async function openLink() {
  if (state.get().link === "sending") return;
  update({ link: "sending" });
  const link = await enter({ method: "link", token });
  if (link === "refused") keepFocus(document.activeElement, FIRST_FIELD);
  update({ link, has_link: link !== "refused" });
}

/** Sign in with a passkey that the visitor chooses in a dialog of the browser. */
export async function enterWithPasskey() {
  if (state.get().passkey === "sending") return;
  update({ passkey: "sending" });
  update({ passkey: await presentPasskey() });
}

/** @returns {Promise<Phase>} */
async function presentPasskey() {
  const { outcome, response } = await sendAsAccount("/api/sessions/passkeys", { method: "POST" });
  if (response === null) return outcome;
  const signed = await signChallenge(/** @type {PasskeyChallenge} */ (await response.json()));
  return typeof signed === "string" ? signed : enter({ method: "passkey", passkey: signed });
}

/**
 * Sign in, and open the list of the account's bookings, or the staff page that has led here. The new page has nothing
 * in memory that a guest has read.
 * @param {SignInRequest} request
 */
async function enter(request) {
  const outcome = await signIn(request);
  if (outcome !== "done") return outcome;
  const path = takeReturnPath() ?? BOOKINGS;
  // A failure does not stop the buyer, because the sign-out reads the orders again.
  await assignClaimed();
  // The session of another account may have ended without a sign-out.
  forgetOtherAccounts(signedInAs());
  window.location.assign(path);
  return outcome;
}

/**
 * The form with the field `email` that requests a link.
 * @param {Record<string, unknown>} props
 */
export function LinkForm(props) {
  const onSubmit = async (/** @type {SubmitEvent<HTMLFormElement>} */ event) => {
    event.preventDefault();
    if (state.get().mail === "sending") return;
    const email = emailOf(new FormData(event.currentTarget));
    if (!email) return update({ mail: "invalid", mail_refusals: state.get().mail_refusals + 1 });
    rememberEmail(email);
    update({ mail: "sending" });
    update({ mail: await requestSignInLink({ email, locale: currentLanguage() }) });
  };
  return createElement("form", { ...props, noValidate: true, onSubmit, onInput: () => update({ mail: "idle" }) });
}

/**
 * The form with the fields `email` and `password`.
 * @param {Record<string, unknown>} props
 */
export function PasswordForm(props) {
  const onSubmit = async (/** @type {SubmitEvent<HTMLFormElement>} */ event) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    const email = emailOf(data);
    const password = String(data.get("password"));
    if (state.get().password === "sending") return;
    if (!email) return update({ password: "invalid", password_refusals: state.get().password_refusals + 1 });
    if (password === "") return update({ password: "refused" });
    update({ password: "sending" });
    update({ password: await enter({ method: "password", email, password }) });
  };
  return createElement("form", { ...props, noValidate: true, onSubmit, onInput: () => update({ password: "idle" }) });
}

/**
 * Return the address of a form, or "" if it is missing or faulty.
 * @param {FormData} data
 */
function emailOf(data) {
  const read = readEmail(String(data.get("email")));
  return "email" in read ? read.email : "";
}
