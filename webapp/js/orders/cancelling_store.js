// Cancelling an order, or returning one of its tickets: the request, its repetitions and its outcome.

import * as bookingApi from "../booking_api.js";
import { startPeriod } from "../deadline.js";
import * as browserNetwork from "../network.js";
import { dropTickets } from "../own_tickets.js";
import { createStore } from "../store.js";

/**
 * @typedef {object} Cancelling
 * @property {string} dialogReference Reference of the order that the dialog names.
 * @property {number} dialogTicket Id of the ticket's booking that the dialog names; 0: the whole order.
 * @property {string} reference Reference of the order in the last request.
 * @property {number} ticket Id of the ticket's booking in the last request; 0: the whole order.
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
  view = createStore(
    /** @type {Cancelling} */ ({ dialogReference: "", dialogTicket: 0, reference: "", ticket: 0, phase: "idle" }),
  );
  /** Path of the page that shows the outcome. */
  #path = "";
  /** Number of the last request; the outcome of an earlier one is not shown. */
  #latest = 0;
  /** @type {Set<(reference: string) => void>} */
  #listeners = new Set();
  #api;
  #network;

  /**
   * @param {Pick<typeof bookingApi, "cancel" | "returnTickets">} api
   * @param {Pick<typeof browserNetwork, "isOnline" | "untilOnline" | "sleep">} network
   */
  constructor(api, network) {
    this.#api = api;
    this.#network = network;
  }

  /**
   * Call a function with the reference of the order after each outcome.
   * @param {(reference: string) => void} listener
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
   * @param {number} [ticket] id of a ticket's booking; 0: the whole order
   * @returns {boolean}
   */
  openDialog(reference, ticket = 0) {
    if (this.#isSending()) return false;
    this.#show({ dialogReference: reference, dialogTicket: ticket });
    return true;
  }

  /**
   * Cancel an order, or return one of its tickets. Both are harmless twice; another click while the request is sent
   * does nothing.
   * @param {string} reference
   * @param {string} userId
   * @param {number} [ticket] id of the ticket's booking; 0: the whole order
   */
  async cancel(reference, userId, ticket = 0) {
    if (this.#isSending()) return;
    this.#latest += 1;
    const number = this.#latest;
    const show = (/** @type {Cancelling["phase"]} */ phase) =>
      number === this.#latest && this.#show({ reference, ticket, phase });
    show("sending");
    const send = () =>
      ticket ? this.#api.returnTickets(reference, userId, [ticket]) : this.#api.cancel(reference, userId);
    const outcome = await this.#request(send, () => show("offline"));
    // The order's page updates the stored tickets of an order that keeps some.
    if (outcome === "done" && !ticket) dropTickets(reference);
    show(outcome);
    // A later request may hide this outcome, but the order has changed all the same.
    for (const listener of this.#listeners) listener(reference);
  }

  /**
   * Send the request, and repeat it where that can help.
   * @param {() => Promise<import("../booking_api.js").Outcome>} send
   * @param {() => void} reportOffline
   * @returns {Promise<"done" | import("../booking_api.js").Kind>}
   */
  async #request(send, reportOffline) {
    let isLate = startPeriod(GIVE_UP_AFTER_MS);
    const isOfflineTooLong = startPeriod(OFFLINE_MS_MAX);
    for (let attempt = 1; ; attempt += 1) {
      const kind = (await send()).problem?.kind ?? "done";
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
