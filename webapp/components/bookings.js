// The part of "My bookings" that lives in the browser: whose bookings are listed, which of them, and how many pages.
import { createElement, useEffect } from "react";
import { useSearchParams } from "react-router";
import useSWR from "swr";
import useSWRInfinite from "swr/infinite";

import { observable, polling, read } from "$/utils/api";
import { described, eventPath } from "$/utils/order";

const PAGE_SIZE = 10;
// Only while an order waits for its payment; else the list is asked for again when the tab is looked at.
const PENDING_POLL_MS = 10_000;
const SHOWN = ["upcoming", "past", "cancelled"];

let facts = {
  user: "",
  show: SHOWN[0],
  orders: null, // null: nothing is known yet
  events: {},
  next: false,
  adding: false, // the next page is being fetched
  failed: false,
};

function summarise() {
  const { user, show, orders, events, next, adding, failed } = facts;
  return {
    user,
    phase: user === "" ? "idle" : orders ? "listed" : failed ? "away" : "loading",
    away: orders !== null && failed,
    show,
    pending: (orders ?? []).some(({ status }) => status === "pending"),
    orders: (orders ?? []).map((order) => described(order, events[order.event])),
    more: next,
    adding,
  };
}

const view = observable(summarise());
export const useBookings = view.use;

function update(changes) {
  facts = { ...facts, ...changes };
  view.set(summarise());
}

function pathOf(user, show, before) {
  const cursor = before ? { cursor: before.body.next } : {};
  return `/api/bookings?${new URLSearchParams({ userId: user, show, limit: PAGE_SIZE, ...cursor })}`;
}

const readEvents = (slugs) =>
  Promise.all(
    slugs.map((slug) =>
      read(eventPath(slug)).then(
        ({ body }) => [slug, body],
        // Without it a booking is listed all the same, by its tickets.
        () => [slug, {}],
      ),
    ),
  ).then(Object.fromEntries);

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

// Reads the pages of the list. It draws nothing.
export function BookingsFeed() {
  const [search] = useSearchParams();
  const show = SHOWN.includes(search.get("show")) ? search.get("show") : SHOWN[0];
  const { user, pending } = useBookings();
  const list = useSWRInfinite(
    (_index, before) => (user === "" || (before && !before.body.next) ? null : pathOf(user, show, before)),
    read,
    polling(pending ? PENDING_POLL_MS : 0),
  );
  const { data, error, size, setSize, isValidating } = list;
  const orders = data?.flatMap(({ body }) => body.orders) ?? null;
  const slugs = [...new Set((orders ?? []).map(({ event }) => event))].sort().join(" ");
  const events = useSWR(slugs === "" ? null : `events ${slugs}`, () => readEvents(slugs.split(" ")));
  useEffect(() => {
    addPage = () => setSize(size + 1);
    update({
      show,
      orders,
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
