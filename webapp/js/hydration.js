// Options for React's hydration, which makes a prerendered page interactive.
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

  function recordTranslation() {
    if (document.querySelector("font") === null) return;
    isTranslated = true;
    observer.disconnect();
  }
}

if (typeof document !== "undefined") observeTranslation();

export const hydrationOptions = {
  /** @param {unknown} error */
  onRecoverableError(error) {
    // The drawing has reset the attributes of the root element.
    showLanguage();
    const isMismatch = error instanceof Error && error.message.includes(MISMATCH);
    if (!isTranslated || !isMismatch) reportError(error);
  },
};
