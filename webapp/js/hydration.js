// Options and the root component of React's hydration, which makes a prerendered page interactive.
import { useEffect } from "react";
import { showLanguage } from "./language.js";

// A translator may replace texts before React makes the page interactive. React then draws the whole page again, and
// reports that as an error. Translators put their texts into `font` elements, which no page contains by itself. The
// drawing removes these elements, so the translation is recorded when it happens.
let isTranslated = false;

// The number of React's error about a page that differs from its HTML.
const MISMATCH = "#418";

function observeTranslation() {
  const observer = new MutationObserver(recordTranslation);
  observer.observe(document, { childList: true, subtree: true });
  recordTranslation();
  return () => observer.disconnect();

  function recordTranslation() {
    if (document.querySelector("font") === null) return;
    isTranslated = true;
    observer.disconnect();
  }
}

const endObservation = typeof document === "undefined" ? () => {} : observeTranslation();

/**
 * Contains the whole page. Its effect ends the observation once the page is interactive, because a translation is
 * harmless then.
 * @param {{ children: import("react").ReactNode }} props
 */
export function HydrationRoot({ children }) {
  useEffect(endObservation, []);
  return children;
}

export const hydrationOptions = {
  /** @param {unknown} error */
  onRecoverableError(error) {
    // The drawing has reset the attributes of the root element.
    showLanguage();
    const isMismatch = error instanceof Error && error.message.includes(MISMATCH);
    if (!isTranslated || !isMismatch) reportError(error);
  },
};
