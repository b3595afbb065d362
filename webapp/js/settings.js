// Settings of this deployment. The web server writes them into each page, so one build serves every address.

const written = typeof document === "undefined" ? undefined : document.getElementById("settings")?.dataset.settings;

/** @type {{ apiUrl: string }} `apiUrl` has no slash at its end. */
export const settings = { apiUrl: "", ...JSON.parse(written ?? "{}") };
