// Settings of this deployment, which the web server writes into each page: one build serves every address and limit.

const written = typeof document === "undefined" ? undefined : document.getElementById("settings")?.dataset.settings;

/** @type {{ apiUrl: string, ticketsMax: number }} `apiUrl` has no slash at its end; `ticketsMax` is for one booking. */
export const settings = { apiUrl: "", ticketsMax: 10, ...JSON.parse(written ?? "{}") };
