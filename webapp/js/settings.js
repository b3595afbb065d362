// Settings of this deployment. The web server writes them into each page, so one build serves every address and limit.

const written = typeof document === "undefined" ? undefined : document.getElementById("settings")?.dataset.settings;

/** @type {{ apiUrl: string, ticketsMax: number }} `apiUrl` has no slash at its end; `ticketsMax` is for one booking. */
export const settings = { apiUrl: "", ticketsMax: 10, ...JSON.parse(written ?? "{}") };
