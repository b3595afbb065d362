// The passkeys of the account: their list, adding one and deleting one.
import { createElement } from "react";
import { keepFocus } from "../focus.js";
import { useStore } from "../hooks.js";
import { createStore } from "../store.js";
import { readName } from "../text.js";
import { hasPasskeys, makePasskey } from "./device.js";
import { account, sendAsAccount, withBody } from "./session.js";

/** @import { SubmitEvent, ToggleEvent } from "react" */
/** @import { Passkey, PasskeyCreation, PasskeyList } from "../account_schemas.js" */
/** @import { CeremonyFault } from "./device.js" */
/** @import { SessionOutcome } from "./session.js" */

/** @typedef {"idle" | "sending" | "deleting" | "deleted" | "unrecognised" | SessionOutcome | CeremonyFault} Phase */

/**
 * @typedef {object} Passkeys
 * @property {boolean} able The browser can make passkeys.
 * @property {boolean} full The account has the most passkeys.
 * @property {{ id: string, name: string, created_at: string, last_used_at: string }[]} list
 * @property {Phase} phase Phase of the last change. `sending` stands for a new passkey, `refused` for an old session.
 * @property {string} time_zone The visitor's time zone.
 */

const PASSKEYS = "/api/me/passkeys";

/** @type {Passkeys} */
const INITIAL = { able: false, full: false, list: [], phase: "idle", time_zone: "UTC" };

const state = createStore(INITIAL);

// Another tab may have signed in to another account.
account.subscribe(() => state.set(INITIAL));

/** @param {Partial<Passkeys>} changes */
const update = (changes) => state.set({ ...state.get(), ...changes });

const isBusy = () => ["sending", "deleting"].includes(state.get().phase);

/** Draw a component from the passkeys. */
export const usePasskeys = () => useStore(state);

/**
 * A folded section that reads the passkeys when the visitor opens it.
 * @param {Record<string, unknown>} props
 */
export function PasskeyDetails(props) {
  const onToggle = async (/** @type {ToggleEvent<HTMLDetailsElement>} */ event) => {
    if (!event.currentTarget.open) return;
    update({ able: hasPasskeys(), phase: "idle", time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone });
    await read();
  };
  return createElement("details", { ...props, onToggle });
}

/** Read the list. Without a response the last one stays. */
async function read() {
  const { outcome, response } = await sendAsAccount(PASSKEYS, {});
  if (response === null) return update({ phase: outcome });
  const { passkeys, limit } = /** @type {PasskeyList} */ (await response.json());
  update({ list: passkeys.map(row), full: passkeys.length >= limit });
}

/** @param {Passkey} passkey */
const row = ({ id, name, createdAt, lastUsedAt }) => ({
  id,
  name,
  created_at: createdAt,
  last_used_at: lastUsedAt ?? "",
});

/**
 * The form with the field `name`. A passkey without a valid name gets `defaultName`.
 * @param {Record<string, unknown> & { defaultName: string }} props
 */
export function PasskeyForm({ defaultName, ...props }) {
  const onSubmit = async (/** @type {SubmitEvent<HTMLFormElement>} */ event) => {
    event.preventDefault();
    if (isBusy()) return;
    const form = event.currentTarget;
    const typed = readName(String(new FormData(form).get("name")));
    update({ phase: "sending" });
    const phase = await add("name" in typed ? typed.name : defaultName);
    update({ phase });
    if (phase === "done") form.reset();
  };
  return createElement("form", { ...props, noValidate: true, onSubmit });
}

/**
 * Make a passkey, and add it to the account.
 * @param {string} name
 * @returns {Promise<Phase>}
 */
async function add(name) {
  const begun = await sendAsAccount(`${PASSKEYS}/challenges`, { method: "POST" });
  if (begun.response === null) return begun.outcome;
  const made = await makePasskey(/** @type {PasskeyCreation} */ (await begun.response.json()));
  if (typeof made === "string") return made;
  const { outcome, status } = await sendAsAccount(PASSKEYS, withBody("POST", { ...made, name }));
  if (status === 400) return "unrecognised";
  if (outcome === "done") await read();
  return outcome;
}

/**
 * Delete a passkey.
 * @param {string} id
 */
export async function deletePasskey(id) {
  if (isBusy()) return;
  const focused = document.activeElement;
  update({ phase: "deleting" });
  const { outcome, status } = await sendAsAccount(`${PASSKEYS}/${id}`, { method: "DELETE" });
  // Another tab may have deleted it.
  if (outcome !== "done" && status !== 404) return update({ phase: outcome });
  keepFocus(focused, ".passkeys summary");
  update({ list: state.get().list.filter((passkey) => passkey.id !== id), full: false, phase: "deleted" });
}
