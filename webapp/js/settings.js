// Settings of this deployment. The web server writes them into each page, so one build serves every address.

const written = typeof document === "undefined" ? undefined : document.getElementById("settings")?.dataset.settings;

/**
 * @typedef {object} Settings
 * @property {string} apiUrl without a slash at its end
 * @property {boolean} openOrders true if everybody may see the orders that were made without a secret
 */

/** @type {Settings} */
export const settings = { apiUrl: "", openOrders: false, ...JSON.parse(written ?? "{}") };
