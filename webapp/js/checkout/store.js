// The tab's checkout: handles the buyer's clicks, sends the purchase, and finds out its outcome.

import { forgetBasket } from "../basket_storage.js";
import * as bookingApi from "../booking_api.js";
import { sumOf } from "../money.js";
import * as browserNetwork from "../network.js";
import { keepTickets } from "../own_tickets.js";
import { createStore } from "../store.js";
import { LOOK_UP_EVERY_MS, Lookup } from "./lookup.js";
import { waitPatiently } from "./patience.js";
import { isFaultOf, wantedAgain, wantsTheSame, withKey } from "./purchase.js";
import { conclude, derive, describe, enter, IDLE, isBusy, isLive, pathOf, refuseToRepeat } from "./state.js";
import * as browserStorage from "./storage.js";
import { submit } from "./submit.js";

/** @typedef {import("../booking_api.js").Outcome} Outcome */
/** @typedef {import("./state.js").Checkout} Checkout */
/** @typedef {import("./purchase.js").Purchase} Purchase */
/** @typedef {import("./purchase.js").Wanted} Wanted */

/** One tab's checkout. */
export class CheckoutStore {
  /** @type {Checkout} */
  #state = IDLE;
  /** The last purchase that was sent. @type {Purchase | null} */
  #last = null;
  #submissions = 0; // so far
  #current = 0; // number of the submission whose outcome is awaited; 0: none
  #path = ""; // the path of the page that shows the checkout; "": none
  /** @type {(path: string) => void} */
  #navigate = () => {};
  /** @type {Set<() => void>} */
  #listeners = new Set();
  #api;
  #storage;
  #network;
  #lookup;

  /**
   * @param {Pick<typeof bookingApi, "book" | "find" | "findBest">} api
   * @param {typeof browserStorage} storage
   * @param {typeof browserNetwork} network
   */
  constructor(api, storage, network) {
    this.#api = api;
    this.#storage = storage;
    this.#network = network;
    this.#lookup = new Lookup(api, storage, network, {
      state: () => this.#state,
      isSubmitting: () => this.#current > 0,
      isShown: () => this.#path !== "",
      show: (next) => this.#show(next),
      amend: (changes) => this.#amend(changes),
      settle: (purchase, outcome) => this.#settle(purchase, outcome),
    });
    /** The state that pages read. */
    this.view = createStore(derive(this.#state, Date.now()));
  }

  /**
   * Call a function after each click whose outcome is shown on the page.
   * @param {() => void} listener
   */
  onOutcome(listener) {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Count down the wait. A clock that is set back does not extend it. */
  refresh = () => {
    const now = Date.now();
    const waitUntil = Math.min(this.#state.waitUntil, now + this.view.get().wait * 1000);
    this.#amend({ waitUntil });
  };

  /** End the wait: another try may succeed now. */
  stopWaiting() {
    this.#amend({ waitUntil: 0 });
  }

  // --- Clicks of the buyer -------------------------------------------------------------------------------

  /**
   * Show that the form cannot be sent.
   * @param {import("./purchase.js").Fault} fault
   */
  reject(fault) {
    if (!isBusy(this.#state)) this.#show(enter(this.#state, "invalid", fault));
  }

  /**
   * Stop showing the fault of a field that the buyer edits.
   * @param {string} field name of the field
   */
  edit(field) {
    if (this.#state.phase === "invalid" && isFaultOf(field, this.#state.detail)) this.#show(enter(this.#state, "idle"));
  }

  /**
   * Book tickets. A second click while a purchase is being sent does nothing.
   * @param {Wanted} wanted
   */
  async book(wanted) {
    if (isBusy(this.#state)) return;
    this.#show(enter(this.#state, "sending"));
    await this.#send(wanted);
  }

  /**
   * Book as many tickets of the refused item as are left, and all other tickets.
   * @param {number} price price of a ticket of that item that the page shows, in the currency's major unit
   * @param {number} currencyDigits decimal places of amounts in that currency
   */
  async bookLeft(price, currencyDigits) {
    const { phase, left, refused, quantity } = this.#state;
    if (!this.#last || phase !== "fewer_left") return;
    const { items, expectedTotal: total = 0 } = this.#last;
    const expectedTotal = sumOf(
      [
        [total, 1],
        [price, left - quantity],
      ],
      currencyDigits,
    );
    await this.book({
      ...this.#last,
      items: items.map((item, index) => (index === refused ? { ...item, quantity: left, ticketIds: [] } : item)),
      expectedTotal,
    });
  }

  /**
   * Book the tickets of a failed order again.
   * @param {string} reference
   * @param {number} [newTotal] total that the page shows instead of the order's
   * @param {import("../email.js").Contact} [contact] address for messages about the new order
   */
  async again(reference, newTotal, contact = {}) {
    if (isBusy(this.#state)) return;
    this.#show(enter(this.#state, "sending"));
    this.#begin();
    const outcome = await waitPatiently(this.#api.find(reference), this.#showPatience, false);
    this.#current = 0;
    const { order } = outcome;
    if (!order?.bookings.length || isLive(order)) {
      const earlier = this.#storage.openPurchase();
      if (earlier?.inDoubt) this.#settle(earlier, bookingApi.UNREACHABLE);
      else this.#show(refuseToRepeat(this.#state, outcome, Date.now()));
      return;
    }
    const wanted = wantedAgain(order, newTotal, contact);
    await this.#send(wanted);
    const taken = this.#state.seatsGone;
    const seats = new Set(order.bookings.filter(({ seat }) => seat != null).map(({ ticketId }) => ticketId));
    const areReplaceable = seats.size < order.bookings.length && !taken.some((id) => seats.has(id));
    if (this.#state.phase === "seat_taken" && areReplaceable)
      await this.book({
        ...wanted,
        items: wanted.items.map((item) =>
          item.ticketIds.some((id) => seats.has(id)) ? item : { ...item, ticketIds: [] },
        ),
      });
  }

  /** Look up the purchase, while or after it is sent. */
  async check() {
    const purchase = this.#lookup.openPurchase();
    if (this.#state.phase === "unreachable") this.#amend({ detail: "checking" });
    if (purchase) await this.#lookup.lookUp(purchase);
  }

  // --- Sending -------------------------------------------------------------------------------------------

  /** @param {Wanted} wanted */
  async #send(wanted) {
    const isCurrent = this.#begin();
    const earlier = this.#storage.openPurchase();
    const purchase = withKey(wanted, earlier);
    this.#last = purchase;
    this.#amend(describe(purchase));
    if (earlier?.inDoubt && !wantsTheSame(earlier, purchase)) {
      // The earlier purchase may have been booked, so its outcome comes first.
      const found = await this.#lookup.find(earlier.reference);
      if (found) return this.#settle(earlier, found);
    }
    let isResponseLost = purchase.inDoubt;
    const submission = submit(purchase, {
      // From here on it may be booked, whatever happens to this page. A submission that is settled sends nothing more.
      book: async () => {
        if (!isCurrent()) return bookingApi.UNREACHABLE;
        this.#storage.keepPurchase({ ...purchase, inDoubt: true, sentAt: Date.now() });
        const outcome = await this.#api.book(purchase);
        isResponseLost ||= outcome.problem?.kind === "unreachable";
        return outcome;
      },
      find: this.#api.find,
      report: (detail, attempt) => isCurrent() && this.#amend({ detail, attempt }),
      network: this.#network,
    });
    const outcome = await waitPatiently(submission, this.#showPatience, true);
    const explained = isCurrent() ? await this.#explain(purchase, outcome) : outcome;
    if (isCurrent()) this.#settle(purchase, explained, isResponseLost);
  }

  /**
   * Explain the loss of seats that the page has chosen: if the tier has too few others, its stock is the reason.
   * @param {Purchase} purchase
   * @param {Outcome} outcome
   * @returns {Promise<Outcome>}
   */
  async #explain({ event, items }, outcome) {
    if (outcome.problem?.kind !== "seat_taken") return outcome;
    const { ticketIds: taken } = outcome.problem;
    const index = items.findIndex((item) => item.isOffered && item.ticketIds.some((id) => taken.includes(id)));
    if (index < 0) return outcome;
    const { problem } = await this.#api.findBest(event, items[index].tier, items[index].quantity);
    const isShort = problem?.kind === "sold_out" || problem?.kind === "all_held";
    return isShort ? { problem: { ...problem, item: index } } : outcome;
  }

  /** Begin a submission, and return a function that returns true while its outcome is awaited. */
  #begin() {
    this.#submissions += 1;
    const number = this.#submissions;
    this.#current = number;
    return () => this.#current === number;
  }

  /** @param {"explain" | "check"} patience */
  #showPatience = (patience) => this.#state.phase === "sending" && this.#amend({ patience });

  // --- Finding out ---------------------------------------------------------------------------------------

  /**
   * Begin a page: clear the outcome on the last page, and look up a purchase in doubt.
   * @param {string} path
   * @param {(path: string) => void} navigate
   * @returns {() => void} Ends it.
   */
  arrive(path, navigate) {
    this.#navigate = navigate;
    this.#path = path;
    if (!this.#isUnderWay(path)) {
      this.#show(enter(this.#state, "idle"));
      void this.#lookup.resume();
    }
    // A page from the back/forward cache keeps its state.
    const stop = this.#network.onRestore(() => void (this.#isUnderWay(path) || this.#lookup.resume()));
    return () => {
      this.#path = "";
      stop();
    };
  }

  /** Return whether a purchase is being sent. If it is booked, lead to its page, so that the buyer does not rebook. */
  #isUnderWay(/** @type {string} */ path) {
    const { phase, reference } = this.#state;
    const isElsewhere = phase === "done" && path !== pathOf(reference);
    if (isElsewhere) this.#navigate(pathOf(reference));
    return isElsewhere || this.#current > 0;
  }

  /**
   * Show an outcome. Then lead to the order's page, or look the order up again.
   * @param {Purchase} purchase
   * @param {Outcome | null} outcome
   * @param {boolean} [isResponseLost] as for `conclude`
   */
  #settle(purchase, outcome, isResponseLost) {
    this.#current = 0;
    const last = this.#storage.openPurchase() ?? purchase;
    const { checkout, open } = conclude(this.#state, last, outcome, Date.now(), isResponseLost);
    this.#storage.keepPurchase(open);
    const isHere = checkout.phase === "done" && this.#path === pathOf(checkout.reference);
    this.#show(isHere ? enter(checkout, "idle") : checkout);
    if (checkout.phase === "done" && outcome?.order) {
      keepTickets(outcome.order);
      forgetBasket(last.event);
    }
    if (checkout.phase === "done" && !isHere) this.#navigate(pathOf(checkout.reference));
    if (open?.inDoubt && outcome) void this.#lookup.follow(open.reference, LOOK_UP_EVERY_MS);
  }

  /** @param {Checkout} next */
  #show(next) {
    const wasBusy = isBusy(this.#state);
    this.#state = next;
    this.view.set(derive(next, Date.now()));
    if (wasBusy && !isBusy(next)) for (const listener of this.#listeners) listener();
  }

  /** @param {Partial<Checkout>} changes */
  #amend(changes) {
    this.#show({ ...this.#state, ...changes });
  }
}

export const checkout = new CheckoutStore(bookingApi, browserStorage, browserNetwork);
