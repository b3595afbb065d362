// The form that requests an e-mail: with the link to one order, or with the links to all orders of an address.
import { createElement, useEffect } from "react";
import { readEmail, rememberEmail } from "../email.js";
import { useStore } from "../hooks.js";
import { currentLanguage } from "../language.js";
import { createStore } from "../store.js";
import { requestMail } from "./mail_request.js";

/** @import { SubmitEvent } from "react" */

/**
 * @typedef {object} LinkMail
 * @property {"idle" | "sending" | "invalid" | import("./mail_request.js").MailOutcome} phase
 * @property {number} refusals Number of refused addresses.
 */

const IDLE = /** @type {LinkMail} */ ({ phase: "idle", refusals: 0 });
const state = createStore(IDLE);

/** @param {Partial<LinkMail>} changes */
const update = (changes) => state.set({ ...state.get(), ...changes });

/** Draw a component from the state of the form. */
export const useLinkMail = () => useStore(state);

/**
 * The form with the field `email`. The browser remembers the address.
 * @param {{ reference: string } & Record<string, unknown>} props `reference` of the order; "": all orders of the address
 */
export function LinkMailForm({ reference, ...props }) {
  // biome-ignore lint/correctness/useExhaustiveDependencies: another order has no outcome yet
  useEffect(() => state.set(IDLE), [reference]);
  const onSubmit = async (/** @type {SubmitEvent<HTMLFormElement>} */ event) => {
    event.preventDefault();
    if (state.get().phase === "sending") return;
    const read = readEmail(String(new FormData(event.currentTarget).get("email")));
    if (!("email" in read) || !read.email) return update({ phase: "invalid", refusals: state.get().refusals + 1 });
    rememberEmail(read.email);
    update({ phase: "sending" });
    update({ phase: await requestMail(reference, { email: read.email, locale: currentLanguage() }) });
  };
  return createElement("form", { ...props, noValidate: true, onSubmit, onInput: () => update({ phase: "idle" }) });
}
