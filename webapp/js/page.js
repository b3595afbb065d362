// Small things that any page may need of the browser.
import { createElement, useEffect, useRef } from "react";

import { observable } from "$/utils/http";

const COPIED_SHOWN_MS = 3_000;

// An input that starts with what it held on the last visit. The page's State keeps the value when it is
// used; reading it here shows it at once and never overwrites what is being typed.
export function RememberedInput({ storageKey, refused, ...props }) {
  const field = useRef(null);
  useEffect(() => {
    if (field.current && !field.current.value) field.current.value = localStorage.getItem(storageKey) ?? "";
  }, [storageKey]);
  useEffect(() => {
    if (!refused) return;
    // In the middle, where no bar is in front of it.
    field.current.focus({ preventScroll: true });
    field.current.scrollIntoView({ block: "center" });
  }, [refused]);
  return createElement("input", { ...props, ref: field, "aria-invalid": refused > 0 });
}

// The tab's name, which the build wrote in English and without what the API tells.
export function PageTitle({ text }) {
  useEffect(() => {
    if (text) document.title = text;
  }, [text]);
  return null;
}

export const printPage = () => window.print();
export const reloadPage = () => window.location.reload();

const copied = observable("");
let forgetting = 0;
export const useCopied = copied.use;

// Says "done" for a while, or "select": outside https and localhost there is no clipboard, and the text is there to
// be selected.
export async function copyText(text) {
  const done = await navigator.clipboard?.writeText(text).then(() => true, () => false);
  copied.set(done ? "done" : "select");
  clearTimeout(forgetting);
  forgetting = setTimeout(() => copied.set(""), COPIED_SHOWN_MS);
}
