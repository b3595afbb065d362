// The revocation of the links to an order by its holder. This browser keeps the new secret.

import { mutate } from "swr";
import { fetchAsAccount } from "../account/session.js";
import { useStore } from "../hooks.js";
import { orderPath } from "../paths.js";
import { keepSecret, proposeSecret, secretHeaders } from "../secrets.js";
import { createStore } from "../store.js";

/** @import { LinksRevoked, RevocationRequest } from "../account_schemas.js" */

/**
 * The last revocation: of the order `reference`, "" for none.
 * @typedef {{ reference: string, phase: "idle" | "sending" | "done" | "failed" }} Revocation
 */

const TIMEOUT_MS = 10_000;

const state = createStore(/** @type {Revocation} */ ({ reference: "", phase: "idle" }));

/** Draw a component from the last revocation. */
export const useRevocation = () => useStore(state);

/**
 * Make the links to an order invalid, and keep its new secret.
 *
 * After a lost response the page reads the order again. If the API then refuses the present secret, the page adopts the
 * proposed one (`adoptProposed`).
 * @param {string} reference
 */
export async function revokeLinks(reference) {
  if (state.get().phase === "sending") return;
  state.set({ reference, phase: "sending" });
  const phase = await send(reference).catch(() => "failed");
  state.set({ reference, phase: phase === "done" ? "done" : "failed" });
  void mutate(orderPath(reference));
}

/** @param {string} reference */
async function send(reference) {
  /** @type {RevocationRequest} */
  const body = { secret: proposeSecret(reference) };
  const path = `${orderPath(reference)}/links/revoke`;
  const response = await fetchAsAccount(path, {
    method: "POST",
    headers: { ...secretHeaders(path), "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (!response.ok) return "failed";
  const { bookingSecret, linkGeneration } = /** @type {LinksRevoked} */ (await response.json());
  keepSecret(reference, bookingSecret, linkGeneration);
  return "done";
}
