// Derivation and paging of "My bookings". Pure functions.
import { describeOrder, NO_ORDER } from "./order.js";

/** @import { Snapshot } from "../http.js" */
/** @import { Event, Order, OrderPage } from "../schemas.js" */
/** @import { NameFault } from "../text.js" */

/** The number of orders on a page of the list. */
const PAGE_SIZE = 10;

const PAGES = "/api/bookings?";
const ACCOUNT_PAGES = "/api/me/orders?";

/** The API's names of the list's filters; the first is the default. */
export const FILTERS = ["upcoming", "past", "cancelled"];

/**
 * @typedef {object} ListState
 * @property {string} user id of the user whose orders are listed; "": none
 * @property {string} account address of the account whose orders are listed; "": a guest's page
 * @property {NameFault | ""} fault fault of the last typed name; "": none
 * @property {number} refusals number of refused names
 * @property {string} show one of `FILTERS`
 * @property {Order[] | null} orders null until the first response
 * @property {Record<string, Partial<Event>>} events by slug; events that are not read yet are missing
 * @property {string} dialogReference reference of the order that the cancel dialog names
 * @property {boolean} next true if there are further pages
 * @property {boolean} adding true while the next page is being fetched
 * @property {boolean} failed the last request failed
 * @property {boolean} open everybody may see the orders that were made without a secret
 */

/** @type {ListState} */
export const INITIAL_STATE = {
  user: "",
  account: "",
  fault: "",
  refusals: 0,
  show: FILTERS[0],
  orders: null,
  events: {},
  dialogReference: "",
  next: false,
  adding: false,
  failed: false,
  open: false,
};

/**
 * @param {ListState} state
 * @param {number} serverNow in milliseconds
 */
export function deriveList(state, serverNow) {
  const { user, account, fault, refusals, show, orders, events, dialogReference, next, adding, failed, open } = state;
  const described = (orders ?? []).map((order) => describeOrder(order, events[order.event] ?? null, serverNow));
  return {
    user,
    account,
    fault,
    refusals,
    phase: user === "" && account === "" ? "idle" : orders ? "listed" : failed ? "away" : "loading",
    away: orders !== null && failed,
    show,
    orders: described,
    dialog_order:
      described.find(({ reference }) => reference === dialogReference) ?? describeOrder(NO_ORDER, null, serverNow),
    more: next,
    adding,
    open,
  };
}

/**
 * Return the path of a page of the list, or null if there is none.
 * @param {string} user
 * @param {string} show
 * @param {Snapshot<OrderPage> | null} previous the page before; null for the first
 * @param {string} [account] address of the account; its orders replace those of the user
 */
export function pagePath(user, show, previous, account = "") {
  if ((user === "" && account === "") || previous?.body.next === null) return null;
  const query = new URLSearchParams({ ...(account ? {} : { userId: user }), show, limit: String(PAGE_SIZE) });
  if (previous) query.set("cursor", previous.body.next);
  // Browsers do not send the fragment. It separates the cached lists of two accounts.
  return account ? `${ACCOUNT_PAGES}${query}#${encodeURIComponent(account)}` : PAGES + query;
}

/**
 * Return true for the path of a page of a filter's list.
 * @param {unknown} path
 * @param {string} show
 */
export const isPagePath = (path, show) =>
  typeof path === "string" &&
  [PAGES, ACCOUNT_PAGES].some(
    (pages) => path.startsWith(pages) && new URLSearchParams(path.slice(pages.length)).get("show") === show,
  );

/**
 * Replace one order in the pages of the list.
 * @param {Snapshot<OrderPage>[] | undefined} pages
 * @param {Order} order
 */
export const replaceOrder = (pages, order) =>
  pages?.map((page) => {
    const { orders } = page.body;
    const index = orders.findIndex(({ reference }) => reference === order.reference);
    return index < 0 ? page : { ...page, body: { ...page.body, orders: orders.with(index, order) } };
  });
