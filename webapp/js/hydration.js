// Options for React's hydration, which makes a prerendered page interactive.
import { showLanguage } from "./language.js";

// A translator may replace texts before the scripts of the page arrive. React then draws the whole page again, and
// reports that as an error. Translators put their texts into `font` elements, which no page contains by itself.
const isTranslated = typeof document !== "undefined" && document.querySelector("font") !== null;

export const hydrationOptions = {
  /** @param {unknown} error */
  onRecoverableError(error) {
    // The drawing has reset the attributes of the root element.
    showLanguage();
    if (!isTranslated) reportError(error);
  },
};
