// The codes of an order's tickets on the full screen, one at a time: swiped, or chosen with keys and buttons.
import { createElement, useLayoutEffect, useRef } from "react";
import { useStore } from "../hooks.js";
import { createStore } from "../store.js";
import { indexAfter } from "./full_screen_keys.js";

const state = createStore({ open: false, index: 0 });

/** Draw a component from the shown code: its index from 0, and `open`. */
export const useFullScreen = () => useStore(state);

const find = (/** @type {string} */ id) => document.getElementById(id);

/** @param {number} index position of the ticket, from 0 */
export function openCodes(index) {
  const dialog = /** @type {HTMLDialogElement | null} */ (find("codes-dialog"));
  state.set({ open: true, index });
  dialog?.addEventListener("close", () => state.set({ open: false, index: 0 }), { once: true });
  dialog?.showModal();
}

export const closeCodes = () => /** @type {HTMLDialogElement | null} */ (find("codes-dialog"))?.close();

/** @param {number} by 1 for the next ticket, -1 for the one before */
export const stepCodes = (by) => show(state.get().index + by);

/** @param {number} index */
function show(index) {
  const strip = find("codes-strip");
  if (!strip) return;
  // Distances are negative in a strip from right to left.
  const sign = isRightToLeft(strip) ? -1 : 1;
  strip.scrollTo({ left: sign * index * strip.clientWidth });
}

const isRightToLeft = (/** @type {Element} */ element) => getComputedStyle(element).direction === "rtl";

/**
 * The list of codes, which the visitor swipes. Each code fills the width.
 * @param {{ label: string } & Record<string, unknown>} props `label` is the name of the list
 */
export function CodeStrip({ label, ...props }) {
  const strip = /** @type {import("react").RefObject<HTMLUListElement | null>} */ (useRef(null));
  useLayoutEffect(() => {
    const element = strip.current;
    if (!element) return;
    element.style.scrollBehavior = "auto"; // The first code appears at once.
    show(state.get().index);
    element.style.scrollBehavior = "";
    element.focus();
  }, []);
  const onScroll = (/** @type {import("react").UIEvent<HTMLUListElement>} */ { currentTarget }) => {
    const index = Math.round(Math.abs(currentTarget.scrollLeft) / currentTarget.clientWidth);
    if (index !== state.get().index) state.set({ open: true, index });
  };
  const onKeyDown = (/** @type {import("react").KeyboardEvent<HTMLUListElement>} */ event) => {
    const { currentTarget, key } = event;
    const last = currentTarget.children.length - 1;
    const index = indexAfter(key, state.get().index, last, isRightToLeft(currentTarget));
    if (index === null) return;
    event.preventDefault();
    show(index);
  };
  return createElement("ul", { ...props, "aria-label": label, tabIndex: 0, ref: strip, onScroll, onKeyDown });
}
