// The components and events of cancelling for pages.

import { useEffect } from "react";
import { useLocation } from "react-router";
import { useStore } from "../hooks.js";
import { cancelling } from "./cancelling_store.js";

/** Draw a component from the last cancelling. */
export const useCancelling = () => useStore(cancelling.view);

const dialog = () => /** @type {HTMLDialogElement | null} */ (document.getElementById("cancel-dialog"));

/**
 * Open the dialog about an order.
 * @param {string} reference
 */
export function openDialog(reference) {
  if (cancelling.openDialog(reference)) dialog()?.showModal();
}

/** Close the dialog. */
export const closeDialog = () => dialog()?.close();

/**
 * Cancel the order that the dialog names.
 * @param {string} reference
 * @param {string} userId
 */
export function confirm(reference, userId) {
  closeDialog();
  void cancelling.cancel(reference, userId);
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
