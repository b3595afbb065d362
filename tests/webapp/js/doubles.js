// Stand-ins for the API, the browser's storage and its network.

import { outcomeOf, refusal } from "../../../webapp/js/booking_api.js";
import { CheckoutStore } from "../../../webapp/js/checkout/store.js";

/**
 * @typedef {import("../../../webapp/js/booking_api.js").BestOutcome} BestOutcome
 * @typedef {import("../../../webapp/js/booking_api.js").Kind} Kind
 * @typedef {import("../../../webapp/js/booking_api.js").Order} Order
 * @typedef {import("../../../webapp/js/booking_api.js").Outcome} Outcome
 * @typedef {import("../../../webapp/js/checkout/purchase.js").Purchase} Purchase
 */

export const KEY = `bk_${"k".repeat(26)}`;

/** @type {Purchase} */
export const PURCHASE = {
  event: "evening",
  items: [{ tier: "VIP", quantity: 2, ticketIds: [7, 8] }],
  userId: "user-1",
  expectedTotal: 200,
  reference: KEY,
  inDoubt: false,
  sentAt: 0,
};

/** @type {Order} */
export const ORDER = {
  reference: "bk_1",
  status: "confirmed",
  event: "evening",
  total: 200,
  bookings: [
    { ticketId: 1, tier: "VIP", userId: "user-1", seat: 1 },
    { ticketId: 2, tier: "VIP", userId: "user-1", seat: 2 },
  ],
};

/**
 * @param {Partial<Order>} [changes]
 * @returns {Outcome}
 */
export const order = (changes) => outcomeOf(200, null, { ...ORDER, ...changes });

export { refusal };

/** Hands out outcomes in turn and notes the requests. An outcome may be a promise. */
export class FakeApi {
  /** @type {string[][]} Kind and reference of each request. */
  requests = [];
  /** @type {Purchase[]} Purchases that were sent. */
  sent = [];
  /** @type {number[]} Bookings of the last return. */
  returned = [];

  /** Searches for the best seats. @type {[event: string, tier: string, quantity: number][]} */
  searches = [];

  /** @param {{ book?: (Outcome | Promise<Outcome>)[], find?: (Outcome | Promise<Outcome>)[], cancel?: (Outcome | Promise<Outcome>)[], best?: BestOutcome[] }} outcomes */
  constructor({ book = [], find = [], cancel = [], best = [] }) {
    this.best = best;
    this.outcomes = { book: [...book], find: [...find], cancel: [...cancel] };
  }

  /** @param {Purchase} purchase */
  book = (purchase) => {
    this.sent.push(purchase);
    return this.#next("book", purchase.reference);
  };

  /** @param {string} reference */
  find = (reference) => this.#next("find", reference);

  /**
   * @param {string} event
   * @param {string} tier
   * @param {number} quantity
   */
  findBest = async (event, tier, quantity) => {
    this.searches.push([event, tier, quantity]);
    return this.best[this.searches.length - 1];
  };

  /**
   * @param {string} reference
   * @param {string} userId
   */
  cancel = (reference, userId) => {
    this.canceller = userId;
    return this.#next("cancel", reference);
  };

  /**
   * @param {string} reference
   * @param {string} userId
   * @param {number[]} bookings
   */
  returnTickets = (reference, userId, bookings) => {
    this.canceller = userId;
    this.returned = bookings;
    return this.#next("cancel", reference);
  };

  /**
   * @param {"book" | "find" | "cancel"} request
   * @param {string} reference
   * @returns {Promise<Outcome>}
   */
  async #next(request, reference) {
    this.requests.push([request, reference]);
    const outcome = this.outcomes[request].shift();
    if (!outcome) throw new Error(`no outcome of ${request} is left`);
    return outcome;
  }
}

/** A tab's storage without a browser. */
class FakeStorage {
  /** @type {Purchase | null} */
  purchase = null;
  /** @type {Purchase | null} Left behind by a closed tab. */
  orphan = null;
  openPurchase = () => this.purchase;
  /** @param {Purchase | null} purchase */
  keepPurchase = (purchase) => {
    this.purchase = purchase;
  };
  adoptPurchase = async () => {
    if (!this.purchase?.inDoubt) this.purchase = this.orphan ?? this.purchase;
  };
  seatsInDoubt = () => [];
  forgetPurchases = () => {};
}

/** A network whose waits take no time, but are noted. */
export class FakeNetwork {
  online = true;
  /** @type {number[]} Milliseconds. */
  waits = [];
  onWait = () => {};
  isOnline = () => this.online;
  /** @param {number} ms */
  sleep = async (ms) => {
    this.waits.push(ms);
    this.onWait();
  };
  untilOnline = this.sleep;
  restore = () => {};
  /** @param {() => void} listener */
  onRestore = (listener) => {
    this.restore = listener;
    return () => {
      this.restore = () => {};
    };
  };
}

export const HOUR_MS = 3_600_000;

/**
 * Replace the browser's clock, its timers and the monotonic clock. The visitor can set only the first one back.
 * @param {Pick<typeof import("node:test").mock, "timers" | "method">} mock
 * @param {number} now browser time in milliseconds
 */
export function fakeClocks(mock, now) {
  let elapsed = 0;
  mock.timers.enable({ apis: ["Date", "setTimeout"], now });
  mock.method(performance, "now", () => elapsed);
  return {
    /** @param {number} ms */
    pass: (ms) => {
      elapsed += ms;
      mock.timers.tick(ms);
    },
    setBack: () => mock.timers.setTime(Date.now() - HOUR_MS),
  };
}

/** Let everything that waits for nothing but promises happen. */
export const settled = () => new Promise((resolve) => setImmediate(resolve));

/** Return a response that a test gives later. */
export function later() {
  /** @type {(outcome: Outcome) => void} */
  let respond = () => {};
  const outcome = /** @type {Promise<Outcome>} */ (new Promise((resolve) => (respond = resolve)));
  return { outcome, respond: (/** @type {Outcome} */ value) => respond(value) };
}

export const EVENT_PAGE = "/event/evening";
export const ORDER_PAGE = "/booking/bk_1";
/** @type {import("../../../webapp/js/checkout/purchase.js").Wanted} */
export const WANTED = {
  event: "evening",
  items: [{ tier: "VIP", quantity: 2, ticketIds: [] }],
  userId: "user-1",
  expectedTotal: 200,
};

/**
 * Return what a buyer of one tier wants.
 * @param {Partial<import("../../../webapp/js/checkout/purchase.js").Item>} item changes of its item
 */
export const wanting = (item) => ({ ...WANTED, items: [{ ...WANTED.items[0], ...item }] });

/** Two tiers, of which the second is a chosen seat. @type {import("../../../webapp/js/checkout/purchase.js").Item[]} */
export const MIXED = [
  { tier: "GA", quantity: 3, ticketIds: [] },
  { tier: "VIP", quantity: 1, ticketIds: [7] },
];
export const IN_DOUBT = { ...PURCHASE, items: WANTED.items, inDoubt: true };

/**
 * Return a tab's checkout with the API's next outcomes.
 * @param {ConstructorParameters<typeof FakeApi>[0]} outcomes
 * @param {Partial<FakeStorage>} [stored]
 */
export function tab(outcomes, stored = {}) {
  const api = new FakeApi(outcomes);
  const storage = Object.assign(new FakeStorage(), stored);
  const network = new FakeNetwork();
  const checkout = new CheckoutStore(api, storage, network);
  /** @type {string[]} */
  const visited = [];
  const arrive = (path = EVENT_PAGE) => checkout.arrive(path, (to) => visited.push(to));
  const phase = () => checkout.view.get().phase;
  return { api, storage, network, checkout, visited, arrive, phase };
}
