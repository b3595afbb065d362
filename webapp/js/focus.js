// Keeps the focus on an action when the focused button disappears.

const DRAWN_AFTER_MS = 50;
const NEXT = ".notice button:enabled, .notice a, .lost-actions button, button.submit:enabled, .other-tier";

/**
 * Move the focus to the next action, once the page is drawn, if the focused element disappears. Call this function before the
 * change that may remove the element.
 * @param {Element | null} [had] The element that has, or had, the focus.
 * @returns {void}
 */
export function keepFocus(had = document.activeElement) {
  setTimeout(() => {
    if (document.activeElement !== document.body || !had || had === document.body) return;
    /** @type {HTMLElement | null} */ (document.querySelector(NEXT))?.focus();
  }, DRAWN_AFTER_MS);
}
