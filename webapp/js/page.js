// Small parts that any page may need: further pages, a remembered input, the tab's title, printing and copying.
import { createElement, useEffect, useRef } from "react";

import { useIdle, useStore } from "./hooks.js";
import { loadAhead } from "./react_router_patch.js";
import { keepDraft, recallDraft, recallName } from "./remembered.js";
import { createStore } from "./store.js";

const COPIED_SHOWN_MS = 3_000;
/**
 * Loads the scripts of all pages while the browser is idle, unless the visitor saves data. Links between
 * these pages then work without the web server.
 */
export function PageLoader() {
  const isIdle = useIdle();
  const connection = /** @type {{ saveData: boolean } | undefined} */ (/** @type {any} */ (navigator).connection);
  const isWanted = isIdle && !connection?.saveData;
  useEffect(() => {
    if (isWanted) loadAhead(() => true, "low");
  }, [isWanted]);
  return null;
}

/**
 * An input that starts with its value of the last visit, and never overwrites typed text.
 * @param {{ storageKey: string, keepsDraft: boolean, refused: number }} props `storageKey` is the name in the browser's
 *   local storage. With `keepsDraft` the tab keeps the typed text across a reload. A refusal of the value changes
 *   `refused` to another number than 0. The input is then marked and takes the focus.
 */
export function RememberedInput({ storageKey, keepsDraft, refused, ...props }) {
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  useEffect(() => {
    if (!field.current) return;
    if (!field.current.value) field.current.value = keepsDraft ? recallDraft(storageKey) : recallName(storageKey);
    // The visitor may have typed before the scripts arrived.
    else if (keepsDraft) keepDraft(storageKey, field.current.value);
  }, [storageKey, keepsDraft]);
  useEffect(() => {
    if (!refused) return;
    // At the centre of the screen no fixed bar covers it.
    field.current?.focus({ preventScroll: true });
    field.current?.scrollIntoView({ block: "center" });
  }, [refused]);
  const onInput = (/** @type {import("react").FormEvent<HTMLInputElement>} */ { currentTarget }) => {
    if (keepsDraft) keepDraft(storageKey, currentTarget.value);
  };
  return createElement("input", { ...props, ref: field, onInput, "aria-invalid": refused > 0 });
}

/**
 * Set the tab's title, which the build writes in English and without the API's data.
 * @param {{ text: string }} props "" keeps the title
 */
export function PageTitle({ text }) {
  useEffect(() => {
    if (text) document.title = text;
  }, [text]);
  return null;
}

export const printPage = () => window.print();
export const reloadPage = () => window.location.reload();

const copied = createStore(/** @type {"" | "done" | "select"} */ (""));
let resetTimer = 0;

export const useCopied = () => useStore(copied);

/**
 * Copy a text and report the outcome for a few seconds: `done`, or `select` if the visitor has to select the text.
 *
 * Browsers offer the clipboard only over HTTPS and on localhost.
 * @param {string} text
 */
export async function copyText(text) {
  const isDone = await navigator.clipboard?.writeText(text).then(
    () => true,
    () => false,
  );
  copied.set(isDone ? "done" : "select");
  clearTimeout(resetTimer);
  resetTimer = setTimeout(() => copied.set(""), COPIED_SHOWN_MS);
}
