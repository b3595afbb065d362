// Cancelling an order: the request, its repetitions and its outcome.

import * as bookingApi from "../booking_api.js";
import { startPeriod } from "../deadline.js";
import * as browserNetwork from "../network.js";
import { dropTickets } from "../own_tickets.js";
import { createStore } from "../store.js";

/**
 * @typedef {object} Cancelling
 * @property {string} dialogReference Reference of the order that the dialog names.
 * @property {string} reference Reference of the order in the last request.
 * @property {"idle" | "sending" | "offline" | "done" | import("../booking_api.js").Kind} phase `offline`: the request is
 *   repeated once the network is back.
 */

const TRIES = 3;
const PAUSE_MS = 1_000;
// The page polls the order as well, and shows its state.
const GIVE_UP_AFTER_MS = 10_000;
const OFFLINE_RETRY_MS = 5_000;
const OFFLINE_MS_MAX = 10 * 60_000;

/** One tab's last cancelling. */
export class CancellingStore {
  /** The state that pages read. */
  view = createStore(/** @type {Cancelling} */ ({ dialogReference: "", reference: "", phase: "idle" }));
  /** Path of the page that shows the outcome. */
  #path = "";
  /** Number of the last request; the outcome of an earlier one is not shown. */
  #latest = 0;
  /** @type {Set<() => void>} */
  #listeners = new Set();
  #api;
  #network;

  /**
   * @param {Pick<typeof bookingApi, "cancel">} api
   * @param {Pick<typeof browserNetwork, "isOnline" | "untilOnline" | "sleep">} network
   */
  constructor(api, network) {
    this.#api = api;
    this.#network = network;
  }

  /**
   * Call a function after each outcome.
   * @param {() => void} listener
   * @returns {() => void} Ends it.
   */
  onOutcome(listener) {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * Begin a page. Another page clears the last outcome, but not a request that is under way.
   * @param {string} path
   */
  arrive(path) {
    if (path !== this.#path && !this.#isSending()) this.#show({ phase: "idle" });
    this.#path = path;
  }

  /**
   * Select the order of the dialog. Return true if the dialog may open, which it may not while a request is under way.
   * @param {string} reference
   * @returns {boolean}
   */
  openDialog(reference) {
    if (this.#isSending()) return false;
    this.#show({ dialogReference: reference });
    return true;
  }

  /**
   * Cancel an order. Cancelling twice is harmless; another click while the request is sent does nothing.
   * @param {string} reference
   * @param {string} userId
   */
  async cancel(reference, userId) {
    if (this.#isSending()) return;
    this.#latest += 1;
    const number = this.#latest;
    const show = (/** @type {Cancelling["phase"]} */ phase) =>
      number === this.#latest && this.#show({ reference, phase });
    show("sending");
    const outcome = await this.#request(reference, userId, () => show("offline"));
    if (outcome === "done") dropTickets(reference);
    if (!show(outcome)) return;
    for (const listener of this.#listeners) listener();
  }

  /**
   * Send the request, and repeat it where that can help.
   * @param {string} reference
   * @param {string} userId
   * @param {() => void} reportOffline
   * @returns {Promise<"done" | import("../booking_api.js").Kind>}
   */
  async #request(reference, userId, reportOffline) {
    let isLate = startPeriod(GIVE_UP_AFTER_MS);
    const isOfflineTooLong = startPeriod(OFFLINE_MS_MAX);
    for (let attempt = 1; ; attempt += 1) {
      const kind = (await this.#api.cancel(reference, userId)).problem?.kind ?? "done";
      if (kind !== "unreachable") return kind;
      if (!this.#network.isOnline() && !isOfflineTooLong()) {
        reportOffline();
        await this.#network.untilOnline(OFFLINE_RETRY_MS);
        // The first requests over a new network often fail, so the count restarts.
        attempt = 0;
        isLate = startPeriod(GIVE_UP_AFTER_MS);
      } else if (attempt === TRIES || isLate()) return kind;
      else await this.#network.sleep(PAUSE_MS * attempt);
    }
  }

  #isSending() {
    return this.view.get().phase === "sending";
  }

  /**
   * @param {Partial<Cancelling>} changes
   * @returns {true}
   */
  #show(changes) {
    this.view.set({ ...this.view.get(), ...changes });
    return true;
  }
}

export const cancelling = new CancellingStore(bookingApi, browserNetwork);
