// The part of "My bookings" that lives in the browser: whose bookings are listed, which of them, and how many pages.
import { createElement, useEffect } from "react";
import { useSearchParams } from "react-router";
import useSWR from "swr";
import useSWRInfinite from "swr/infinite";

import { keep, useCancelling } from "../cancelling.js";
import { useEverySecond, useStore } from "../hooks.js";
import { fetchSnapshot } from "../http.js";
import { described, eventPath, NO_ORDER, orderPath } from "./page.js";
import { CACHE_MAX_AGE_MS, pollingOptions, usePolled } from "../polling.js";
import { createStore } from "../store.js";

const PAGE_SIZE = 10;
// Only while an order waits for its payment; else the list is asked for again when the tab is looked at.
const PENDING_POLL_MS = 10_000;
const SHOWN = ["upcoming", "past", "cancelled"];
// As long as nobody has answered, nothing has come of a cancelling.
const UNANSWERED = ["idle", "sending", "offline"];

let facts = {
  user: "",
  show: SHOWN[0],
  orders: null, // null: nothing is known yet
  asked: "", // the reference of the one that the dialog is about
  events: {},
  next: false,
  adding: false, // the next page is being fetched
  failed: false,
};

function summarise() {
  const { user, show, orders, asked, events, next, adding, failed } = facts;
  const shown = (orders ?? []).map((order) => described(order, events[order.event]));
  return {
    user,
    phase: user === "" ? "idle" : orders ? "listed" : failed ? "away" : "loading",
    away: orders !== null && failed,
    show,
    orders: shown,
    asked: shown.find(({ reference }) => reference === asked) ?? described(NO_ORDER),
    more: next,
    adding,
  };
}

const view = createStore(summarise());
export const useBookings = () => useStore(view);

function update(changes) {
  const card = document.activeElement?.closest(".booking");
  facts = { ...facts, ...changes };
  view.set(summarise());
  if (!view.get().asked.cancellable) keep();
  // A button that had the focus may be gone with what it was for.
  if (card)
    setTimeout(() => {
      if (document.activeElement !== document.body) return;
      (card.isConnected ? card.querySelector("a") : document.querySelector(".filters [aria-current=page]"))?.focus();
    });
}

function pathOf(user, show, before) {
  const cursor = before ? { cursor: before.body.next } : {};
  return `/api/bookings?${new URLSearchParams({ userId: user, show, limit: PAGE_SIZE, ...cursor })}`;
}

const readEvents = (slugs) =>
  Promise.all(
    slugs.map((slug) =>
      fetchSnapshot(eventPath(slug)).then(
        ({ body }) => [slug, body],
        // Without it a booking is listed as it was, or by its tickets.
        () => [slug, facts.events[slug] ?? {}],
      ),
    ),
  ).then(Object.fromEntries);

const tick = () => update({});

let addPage = () => {};
// Where the focus goes once there are more than this many; 0: it stays.
let focusAfter = 0;

export function showMore() {
  focusAfter = view.get().orders.length;
  addPage();
}

// Whose bookings are listed. It remembers the name as the form for booking does.
export function WhoForm({ storageKey, ...props }) {
  useEffect(() => {
    update({ user: localStorage.getItem(storageKey) ?? "" });
  }, [storageKey]);
  const onSubmit = (event) => {
    event.preventDefault();
    const user = String(new FormData(event.currentTarget).get("user_id")).trim();
    if (user === "") return;
    localStorage.setItem(storageKey, user);
    update({ user });
  };
  return createElement("form", { ...props, onSubmit });
}

const isPending = ({ status }) => status === "pending";

// The pages of the list with what has become of one of their orders.
function withChanged(pages, order) {
  const isIt = ({ reference }) => reference === order.reference;
  return pages?.map((page) => {
    const { orders } = page.body;
    if (!orders.some(isIt)) return page;
    return { ...page, body: { ...page.body, orders: orders.map((each) => (isIt(each) ? order : each)) } };
  });
}

// Reads the pages of the list, and the order of which a cancelling was answered. It draws nothing.
export function BookingsFeed() {
  const [search] = useSearchParams();
  const show = SHOWN.includes(search.get("show")) ? search.get("show") : SHOWN[0];
  const { user } = useBookings();
  const { asked, reference, phase } = useCancelling();
  const pending = (facts.orders ?? []).some(isPending);
  const list = useSWRInfinite(
    (_index, before) => (user === "" || (before && !before.body.next) ? null : pathOf(user, show, before)),
    fetchSnapshot,
    {
      ...pollingOptions(pending ? PENDING_POLL_MS : 0),
      // An order that waits on a further page is followed, too; else only the first page is asked for again.
      revalidateAll: (facts.orders ?? []).slice(PAGE_SIZE).some(isPending),
    },
  );
  const { data, error, size, setSize, isValidating, mutate } = list;
  const orders = data?.flatMap(({ body }) => body.orders) ?? null;
  const slugs = [...new Set((orders ?? []).map(({ event }) => event))].sort().join(" ");
  const events = useSWR(slugs === "" ? null : `events ${slugs}`, () => readEvents(slugs.split(" ")));
  const changed = usePolled(UNANSWERED.includes(phase) ? null : orderPath(reference), 0).data?.body;
  useEffect(() => {
    if (!changed) return;
    // The booking stays where it is, and says what became of it, until the list is read again.
    mutate((pages) => withChanged(pages, changed), { revalidate: false });
    events.mutate();
    const again = setTimeout(events.mutate, CACHE_MAX_AGE_MS);
    return () => clearTimeout(again);
  }, [changed]);
  // A concert begins, and the time to pay ends, without anybody's saying so.
  useEverySecond(tick);
  useEffect(() => {
    addPage = () => setSize(size + 1);
    update({
      show,
      orders,
      asked,
      events: events.data ?? facts.events,
      next: Boolean(data && data.at(-1)?.body.next),
      adding: Boolean(data) && data.length < size,
      ...(isValidating ? {} : { failed: Boolean(error) }),
    });
    if (focusAfter > 0 && orders && orders.length > focusAfter) {
      const index = focusAfter;
      focusAfter = 0;
      setTimeout(() => document.querySelectorAll(".bookings a")[index]?.focus());
    }
  });
  return null;
}
