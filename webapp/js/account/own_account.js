// The account on the page of its bookings: signing out, and the form that sets a password.
import { createElement } from "react";
import { useStore } from "../hooks.js";
import { createStore } from "../store.js";
import { assignClaimed } from "./claims.js";
import { leaveBrowser, setPassword, signOut } from "./session.js";

/** @import { SubmitEvent } from "react" */
/** @import { SessionOutcome } from "./session.js" */

/**
 * @typedef {object} OwnAccount
 * @property {"idle" | "sending" | SessionOutcome} leaving
 * @property {"idle" | "sending" | "invalid" | SessionOutcome} saving Phase of the new password.
 */

/** Lengths of a password in characters. `api/account_schemas.py` has the same. */
const PASSWORD_MIN = 10;
const PASSWORD_MAX = 128;

const state = createStore(/** @type {OwnAccount} */ ({ leaving: "idle", saving: "idle" }));

/** @param {Partial<OwnAccount>} changes */
const update = (changes) => state.set({ ...state.get(), ...changes });

/** Draw a component from the state of the account. */
export const useOwnAccount = () => useStore(state);

/**
 * Sign out, and show the page to a guest. The next person at this browser must not find the account's orders.
 * @param {boolean} isEverywhere true ends all sessions of the account
 */
export async function leave(isEverywhere) {
  if (state.get().leaving === "sending") return;
  update({ leaving: "sending" });
  const assigned = await assignClaimed();
  // Only the account can read its orders, so a sign-out without them would leave their secrets behind.
  const leaving = assigned === "done" ? await signOut(isEverywhere) : assigned;
  update({ leaving });
  if (leaving === "done") leaveBrowser();
}

/**
 * The form with the field `password`.
 * @param {Record<string, unknown>} props
 */
export function NewPasswordForm(props) {
  const onSubmit = async (/** @type {SubmitEvent<HTMLFormElement>} */ event) => {
    event.preventDefault();
    if (state.get().saving === "sending") return;
    const form = event.currentTarget;
    const password = String(new FormData(form).get("password"));
    // The API counts characters, of which some take two units of a string.
    const { length } = [...password];
    if (length < PASSWORD_MIN || length > PASSWORD_MAX) return update({ saving: "invalid" });
    update({ saving: "sending" });
    const outcome = await setPassword({ password });
    if (outcome === "done") form.reset();
    update({ saving: outcome });
  };
  return createElement("form", { ...props, noValidate: true, onSubmit, onInput: () => update({ saving: "idle" }) });
}
