// The components and events of cancelling for pages.

import { useEffect } from "react";
import { useLocation } from "react-router";
import { useStore } from "../hooks.js";
import { cancelling } from "./cancelling_store.js";

/** Draw a component from the last cancelling. */
export const useCancelling = () => useStore(cancelling.view);

const dialog = (/** @type {string} */ id) => /** @type {HTMLDialogElement | null} */ (document.getElementById(id));

/**
 * Open the dialog about an order, or about one of its tickets.
 * @param {string} reference
 * @param {number} [ticket] id of the ticket's booking
 */
export function openDialog(reference, ticket) {
  if (cancelling.openDialog(reference, ticket)) dialog(ticket ? "return-dialog" : "cancel-dialog")?.showModal();
}

/** Close both dialogs. */
export function closeDialog() {
  dialog("cancel-dialog")?.close();
  dialog("return-dialog")?.close();
}

/**
 * Cancel the order that the dialog names, or return the ticket.
 * @param {string} reference
 * @param {string} userId
 * @param {number} [ticket] id of the ticket's booking
 */
export function confirm(reference, userId, ticket) {
  closeDialog();
  void cancelling.cancel(reference, userId, ticket);
}

/**
 * Call a function after each outcome of a cancelling.
 * @param {() => void} look
 */
export function useAfterCancelling(look) {
  useEffect(() => cancelling.onOutcome(look));
}

/** Sets the page that shows the outcome. */
export function CancellingFeed() {
  const { pathname } = useLocation();
  useEffect(() => cancelling.arrive(pathname), [pathname]);
  return null;
}
