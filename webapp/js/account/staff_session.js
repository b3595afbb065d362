// The end of a session on a staff page. The server of the staff pages ends the session at the API, because these pages
// connect to no other server. Then this browser forgets the account, as after a sign-out on a buyers' page.
import { createElement, useEffect } from "react";
import { tabArea } from "../remembered.js";
import { leaveBrowser } from "./session.js";

/** The name of the wish to sign out in the tab's storage. It outlives a lost connection and a reload. */
const LEAVING_AS = "leaving";

/**
 * The button that signs out. `onClick` sends the event to the server.
 * @param {Record<string, unknown> & { onClick: (event: unknown) => void }} props
 */
export function StaffSignOutButton({ onClick, ...props }) {
  const leave = (/** @type {unknown} */ event) => {
    tabArea.set(LEAVING_AS, "true");
    onClick(event);
  };
  return createElement("button", { ...props, type: "button", onClick: leave });
}

/**
 * Forgets the account as soon as the server reports the end of a session that this tab has wanted to end. Place it once
 * on a page.
 * @param {{ access: string }} props `access` of `StaffState`
 */
export function StaffSessionEnd({ access }) {
  useEffect(() => {
    if (access === "signed_out" && tabArea.get(LEAVING_AS) !== null) leaveBrowser();
  }, [access]);
  return null;
}
