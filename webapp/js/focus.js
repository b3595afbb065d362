// Keeps the focus on an action when the focused button disappears.

const DRAWN_AFTER_MS = 50;
const ACTIONS = ".notice button:enabled, .notice a, .lost-actions button, button.submit:enabled, .other-tier";

/**
 * Move the focus to the next action, once the page is drawn, if the focused element disappears. Call this function before the
 * change that may remove the element.
 * @param {Element | null} [had] The element that has, or had, the focus.
 * @param {string} [next] The selector of the elements that may get the focus; by default the actions of the page.
 * @returns {void}
 */
export function keepFocus(had = document.activeElement, next = ACTIONS) {
  setTimeout(() => {
    if (document.activeElement !== document.body || !had || had === document.body) return;
    /** @type {HTMLElement | null} */ (document.querySelector(next))?.focus();
  }, DRAWN_AFTER_MS);
}
