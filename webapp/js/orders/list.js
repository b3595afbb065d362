// "My bookings": the store of the list, and the polling of its pages.
import { createElement, useEffect, useMemo, useRef, useState } from "react";
import { useSearchParams } from "react-router";
import useSWR, { mutate as changeCache } from "swr";
import useSWRInfinite, { unstable_serialize as cacheKeyOf } from "swr/infinite";
import { leaveTab } from "../account/forgetting.js";
import { account, leaveEndedSession, recallAccount } from "../account/session.js";
import { serverNow } from "../clock.js";
import { useEverySecond, useField, useStore } from "../hooks.js";
import { fetchSnapshot } from "../http.js";
import { eventPath, orderPath } from "../paths.js";
import { CACHE_MAX_AGE_MS, pollingOptions, usePolled } from "../polling.js";
import { recallName, rememberName } from "../remembered.js";
import { settings } from "../settings.js";
import { createStore } from "../store.js";
import { readName } from "../text.js";
import { closeDialog, useCancelling } from "./cancelling.js";
import { cancelling } from "./cancelling_store.js";
import { deriveList, FILTERS, INITIAL_STATE, isPagePath, pagePath, replaceOrder } from "./list_view.js";
import { isPending } from "./order.js";

/** @import { SubmitEvent } from "react" */
/** @import { SWRResponse } from "swr" */
/** @import { SWRInfiniteResponse } from "swr/infinite" */
/** @import { Snapshot } from "../http.js" */
/** @import { EventDetails, Order, OrderPage } from "../schemas.js" */
/** @import { ListState } from "./list_view.js" */

const PENDING_POLL_MS = 10_000;
// Phases of a cancellation without an outcome.
const WITHOUT_OUTCOME = ["idle", "sending", "offline"];

let state = INITIAL_STATE;
const view = createStore(deriveList(state, serverNow()));

/** Draw a component from the list. */
export const useBookings = () => useStore(view);

/** @param {Partial<ListState>} changes */
function update(changes) {
  const card = document.activeElement?.closest(".booking");
  state = { ...state, ...changes };
  view.set(deriveList(state, serverNow()));
  if (!view.get().dialog_order.cancellable) closeDialog();
  // A button that had the focus may have disappeared.
  if (card) setTimeout(() => refocus(card));
}

const refresh = () => update({});

/**
 * Return the function that names the pages of a filter's list.
 * @param {string} user
 * @param {string} show
 * @param {string} owner address of the account; "" for a guest
 */
const pagesOf =
  (user, show, owner) => (/** @type {number} */ _index, /** @type {Snapshot<OrderPage> | null} */ previous) =>
    pagePath(user, show, previous, owner);

let isShown = false;

// A cancellation makes the cached lists wrong. The list that is shown keeps the order in its place with the outcome.
cancelling.onOutcome(() => {
  for (const show of FILTERS) {
    if (isShown && show === state.show) continue;
    // This also ends the time in which swr would not read the list again.
    void changeCache(cacheKeyOf(pagesOf(state.user, show, state.account)), undefined);
    // swr keeps each page under its own key as well.
    void changeCache((path) => isPagePath(path, show), undefined);
  }
  if (!isShown) update({ orders: null });
});

/** @param {Element} card */
function refocus(card) {
  if (document.activeElement !== document.body) return;
  focus(card.isConnected ? card.querySelector("a") : document.querySelector(".filters [aria-current=page]"));
}

/** @param {Element | null | undefined} element */
function focus(element) {
  if (element instanceof HTMLElement) element.focus();
}

/**
 * Read events. A failed one stays as it was known before, if it was.
 * @param {string[]} slugs
 * @returns {Promise<ListState["events"]>}
 */
async function fetchEvents(slugs) {
  const entries = slugs.map(async (slug) => {
    try {
      /** @type {Snapshot<EventDetails>} */
      const { body } = await fetchSnapshot(eventPath(slug));
      return [slug, body];
    } catch {
      return [slug, state.events[slug] ?? {}];
    }
  });
  return Object.fromEntries(await Promise.all(entries));
}

let fetchNextPage = () => {};
// Index of the order that gets the focus after the next page arrives; 0: the focus stays.
let focusIndex = 0;

/** Add the next page to the list. */
export function showMore() {
  focusIndex = view.get().orders.length;
  fetchNextPage();
}

/**
 * The form that names the user. The browser remembers the name under `storageKey`.
 * @param {{ storageKey: string } & Record<string, unknown>} props
 */
export function UserForm({ storageKey, ...props }) {
  useEffect(() => update({ user: recallName(storageKey), fault: "" }), [storageKey]);
  /** @param {SubmitEvent<HTMLFormElement>} event */
  const onSubmit = (event) => {
    event.preventDefault();
    const read = readName(String(new FormData(event.currentTarget).get("user_id")));
    if ("fault" in read) return update({ fault: read.fault, refusals: state.refusals + 1 });
    rememberName(storageKey, read.name);
    update({ user: read.name, fault: "" });
  };
  const onInput = () => update({ fault: "" });
  return createElement("form", { ...props, onSubmit, onInput });
}

/** Polls the pages of the list, and the order whose cancelling has an outcome. It draws nothing. */
export function BookingsFeed() {
  const [search] = useSearchParams();
  const show = FILTERS.find((name) => name === search.get("show")) ?? FILTERS[0];
  const user = useField(view, "user");
  const owner = useStore(account);
  const [hasPending, setHasPending] = useState(false);
  // Number of pages after "Show more", until the read of the next page begins; 0 otherwise.
  const [requestedSize, setRequestedSize] = useState(0);
  useEffect(() => {
    isShown = true;
    update({ open: settings.openOrders });
    recallAccount();
    void leaveEndedSession().then((hasLeft) => hasLeft && leaveTab());
    return () => {
      isShown = false;
    };
  }, []);
  useEffect(() => update({ account: owner }), [owner]);
  /** @type {SWRInfiniteResponse<Snapshot<OrderPage>>} */
  const list = useSWRInfinite(pagesOf(user, show, owner), fetchSnapshot, {
    // Other orders change only by their buyer, so the list is read again when the tab gains the focus.
    ...pollingOptions(hasPending ? PENDING_POLL_MS : 0),
    // "Show more" reads the first and the next page. All other reads include every page.
    revalidateAll: requestedSize === 0,
  });
  const { data, error, size, setSize, isValidating, mutate } = list;
  const orders = useMemo(() => data?.flatMap(({ body }) => body.orders) ?? null, [data]);
  const slugs = [...new Set(orders?.map(({ event }) => event))].sort().join(" ");
  const { data: events, mutate: readEventsAgain } = useSWR(slugs === "" ? null : `events ${slugs}`, () =>
    fetchEvents(slugs.split(" ")),
  );

  const { dialogReference, reference, phase } = useCancelling();
  /** @type {SWRResponse<Snapshot<Order>>} */
  const cancelled = usePolled(WITHOUT_OUTCOME.includes(phase) ? null : orderPath(reference), 0);
  const changed = cancelled.data?.body;
  const lastChanged = useRef(/** @type {Order | undefined} */ (undefined));
  useEffect(() => {
    // `mutate` belongs to a filter, but a change of the filter is none of the order.
    if (!changed || changed === lastChanged.current) return;
    lastChanged.current = changed;
    // The order stays in its place and shows the outcome until the next read of the list. swr discards the response of
    // a read that is under way, so the list is read again in that case.
    mutate((pages) => replaceOrder(pages, changed), { revalidate: orders === null });
    readEventsAgain();
    // The API may have refused because the event begins earlier than it did. Its cache shows the new time later.
    setTimeout(readEventsAgain, CACHE_MAX_AGE_MS);
  }, [changed, mutate, orders, readEventsAgain]);

  useEffect(() => {
    update({ show, orders });
    if (!orders) return;
    setHasPending(orders.some(isPending));
    if (focusIndex === 0 || orders.length <= focusIndex) return;
    const index = focusIndex;
    focusIndex = 0;
    setTimeout(() => focus(document.querySelectorAll(".bookings a")[index]));
  }, [show, orders]);
  const next = Boolean(data?.at(-1)?.body.next);
  useEffect(() => update({ next }), [next]);
  useEffect(() => update({ dialogReference }), [dialogReference]);
  useEffect(() => {
    if (events) update({ events });
  }, [events]);
  const adding = data !== undefined && data.length < size;
  useEffect(() => {
    fetchNextPage = () => setRequestedSize(size + 1);
    update({ adding });
  }, [adding, size]);
  useEffect(() => {
    if (requestedSize === 0) return;
    // The read begins at once, with the options of the last drawing.
    setSize(requestedSize);
    setRequestedSize(0);
  }, [requestedSize, setSize]);
  const failed = Boolean(error);
  useEffect(() => {
    if (!isValidating) update({ failed });
  }, [isValidating, failed]);
  // An event begins, and a hold ends, without a response.
  useEverySecond(refresh);
  return null;
}
