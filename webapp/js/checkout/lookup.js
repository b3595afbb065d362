// Looks up the order of a purchase in doubt until its outcome is known.

import { UNREACHABLE } from "../booking_api.js";
import { startPeriod } from "../deadline.js";
import { withPossibleTime } from "./purchase.js";
import { enter, isInFlight, UNDER_WAY_MS } from "./state.js";

/** @typedef {import("../booking_api.js").Outcome} Outcome */
/** @typedef {import("./purchase.js").Purchase} Purchase */
/** @typedef {import("./state.js").Checkout} Checkout */

/**
 * The checkout whose purchase is looked up.
 * @typedef {object} Host
 * @property {() => Checkout} state
 * @property {() => boolean} isSubmitting a submission awaits its outcome
 * @property {() => boolean} isShown a page shows the checkout
 * @property {(next: Checkout) => void} show
 * @property {(changes: Partial<Checkout>) => void} amend
 * @property {(purchase: Purchase, outcome: Outcome | null) => void} settle null: the API does not have the order
 */

export const LOOK_UP_EVERY_MS = 5_000;
const LOOK_UP_FOR_MS = 10 * 60_000;
/** A lookup without an order may replace these phases. Any other phase is the outcome of a later click. */
const OPEN_PHASES = ["idle", "sending", "unreachable", "not_found"];

/** The lookups of one tab. */
export class Lookup {
  #latest = 0; // number of the latest follow-up; an earlier one ends
  #api;
  #storage;
  #network;
  #host;

  /**
   * @param {Pick<typeof import("../booking_api.js"), "find">} api
   * @param {typeof import("./storage.js")} storage
   * @param {Pick<typeof import("../network.js"), "sleep">} network
   * @param {Host} host
   */
  constructor(api, storage, network, host) {
    this.#api = api;
    this.#storage = storage;
    this.#network = network;
    this.#host = host;
  }

  /** Find out the outcome of the tab's purchase in doubt, or of one that a closed tab left behind. */
  async resume() {
    await this.#storage.adoptPurchase();
    const purchase = this.#purchaseInDoubt();
    if (!purchase || this.#host.isSubmitting()) return;
    this.#storage.keepPurchase(purchase);
    if (isInFlight(purchase, Date.now()))
      this.#host.show({ ...enter(this.#host.state(), "sending"), patience: "check" });
    await this.follow(purchase.reference);
  }

  /**
   * Look up a purchase in doubt until its outcome is known, while a page shows the checkout.
   * @param {string} reference
   * @param {number} [delayMs] time until the first lookup
   */
  async follow(reference, delayMs = 0) {
    this.#latest += 1;
    const number = this.#latest;
    const isOver = startPeriod(LOOK_UP_FOR_MS);
    const next = () => {
      const purchase = this.#purchaseInDoubt();
      const isWanted = this.#latest === number && this.#host.isShown() && !this.#host.isSubmitting();
      return isWanted && purchase?.reference === reference ? purchase : null;
    };
    await this.#network.sleep(delayMs);
    for (let purchase = next(); purchase && !isOver(); purchase = next()) {
      const found = await this.lookUp(purchase);
      if (!next()) return;
      if (found === null && Date.now() > purchase.sentAt + UNDER_WAY_MS)
        return this.#storage.keepPurchase({ ...purchase, inDoubt: false });
      await this.#network.sleep(LOOK_UP_EVERY_MS);
    }
  }

  /**
   * Look up a purchase once, and show its outcome.
   * @param {Purchase} purchase
   * @returns {Promise<Outcome | null>} null: the API does not have the order
   */
  async lookUp(purchase) {
    const found = await this.find(purchase.reference);
    if (this.#storage.openPurchase()?.reference !== purchase.reference) return found;
    const { phase } = this.#host.state();
    const mayArrive = this.#host.isSubmitting() || (!found && isInFlight(purchase, Date.now()));
    if (found?.order) this.#host.settle(purchase, found);
    else if (!OPEN_PHASES.includes(phase)) return found;
    else if (mayArrive) this.#host.amend({ detail: phase === "sending" ? "no_response" : "" });
    else if (phase === (found ? "unreachable" : "not_found")) this.#host.amend({ detail: "" });
    else this.#host.settle(purchase, found);
    return found;
  }

  /**
   * Look up an order. Any problem but its absence leaves the outcome unknown.
   * @param {string} reference
   * @returns {Promise<Outcome | null>} null: the API does not have the order
   */
  async find(reference) {
    const outcome = await this.#api.find(reference);
    if (outcome.order) return outcome;
    return outcome.problem.kind === "not_found" ? null : UNREACHABLE;
  }

  /** Return the tab's purchase. A time of its last request in the future is corrected first. */
  openPurchase() {
    const stored = this.#storage.openPurchase();
    const purchase = stored && withPossibleTime(stored, Date.now());
    if (purchase !== stored) this.#storage.keepPurchase(purchase);
    return purchase;
  }

  #purchaseInDoubt() {
    const purchase = this.openPurchase();
    return purchase?.inDoubt ? purchase : null;
  }
}
