// The part of a booking's page that lives in the browser: what the API tells of the order, how long there is to pay by
// the server's clock, and what may be done about it.
import { createElement, useCallback, useEffect, useRef, useState } from "react";
import { useParams } from "react-router";

import { useAfterCancelling } from "../cancelling.js";
import { useOutcome } from "../checkout_feed.js";
import { secondsUntil, serverNow } from "../clock.js";
import { useEverySecond, useStore } from "../hooks.js";
import { CACHE_MAX_AGE_MS, usePolled } from "../polling.js";
import { settings } from "../settings.js";
import { createStore } from "../store.js";

const PENDING_POLL_MS = 2_000;
// A payment that comes late still changes an order that came to nothing; it is looked for this often and this long.
const LATE_POLL_MS = 15_000;
const LATE_FOR_MS = 10 * 60_000;
// Whether the concert is called off.
const EVENT_POLL_MS = 60_000;
const HURRY_S = 60;
// A ticket's code that did not come is fetched again after this, then after twice as long, and so on.
const IMAGE_RETRY_MS = 3_000;
const IMAGE_RETRY_MS_MAX = 60_000;

const NO_EVENT = { slug: "", name: "", venue: "", startsAt: "", timeZone: "UTC", state: "" };

export const orderPath = (reference) => `/api/bookings/${encodeURIComponent(reference)}`;
export const eventPath = (slug) => `/api/events/${encodeURIComponent(slug)}`;

// --- An order --------------------------------------------------------------------------------------------

// What has become of an order: its status, and what makes a difference to its buyer.
function stateOf({ status, expiresAt, paidLate, refund }) {
  if (status === "confirmed") return paidLate ? "paid_late" : "confirmed";
  if (status === "pending") return expiresAt && secondsUntil(expiresAt) === 0 ? "overdue" : "pending";
  if (status === "expired") return refund === undefined ? "expired" : "paid_too_late";
  if (status === "cancelled") return refund === undefined ? "cancelled" : "cancelled_refunded";
  return status;
}

// A concert that is not known has not begun: whether it has, the API decides.
const begun = ({ startsAt }) => startsAt !== "" && Date.parse(startsAt) <= serverNow();

// An order as pages show it; all its tickets are of one tier. One that was declined before anything was held has none,
// and then neither tier nor buyer is known.
export function described(order, event) {
  const [first] = order.bookings;
  const concert = { ...NO_EVENT, slug: order.event ?? "", ...event };
  return {
    reference: order.reference,
    state: stateOf(order),
    event: concert,
    tier: first?.tier ?? "",
    quantity: order.bookings.length,
    total: order.total,
    refund: order.refund ?? 0,
    admits: order.status === "confirmed",
    cancellable: ["pending", "confirmed"].includes(order.status) && !begun(concert),
    currency: order.currency,
    user_id: first?.userId ?? "",
    booked_at: first?.createdAt ?? "",
  };
}

// --- The page's order ------------------------------------------------------------------------------------

const NOTHING = {
  order: null, // null: nothing is known yet
  missing: false, // the API says that there is no such order
  failed: false,
  event: null,
  endedAt: 0, // the browser's time at which the order was first seen to have come to nothing
  said: "", // what screen readers hear: a state that the order has come to, or that time is short
};

let facts = NOTHING;

export const NO_ORDER = { reference: "", event: "", bookings: [], total: 0, currency: "", status: "" };

function summarise() {
  const known = facts.order !== null;
  const order = facts.order ?? NO_ORDER;
  const shown = described(order, facts.event);
  const left = order.status === "pending" && order.expiresAt ? secondsUntil(order.expiresAt) : 0;
  const over = begun(shown.event) || ["ended", "cancelled"].includes(facts.event?.state);
  const nothing = ["declined", "expired"].includes(shown.state) && !over;
  return {
    ...shown,
    page: known ? "found" : facts.missing ? "missing" : facts.failed ? "away" : "loading",
    away: known && facts.failed,
    left,
    hurry: left > 0 && left < HURRY_S,
    begun: begun(shown.event),
    called_off: facts.event?.state === "cancelled",
    repeatable: nothing && shown.quantity > 0,
    anew: nothing && shown.quantity === 0,
    seated: order.bookings.some(({ row }) => row != null),
    tickets: order.bookings.map(({ ticketId, row, seat }, index) => ({
      id: ticketId,
      line: index + 1,
      row: row ?? "",
      seat: seat ?? 0,
      code: `${settings.apiUrl}${orderPath(order.reference)}/tickets/${index + 1}.svg`,
    })),
    calendar: `${settings.apiUrl}${orderPath(order.reference)}/calendar.ics`,
    said: facts.said,
  };
}

const view = createStore(summarise());
export const useOrder = () => useStore(view);

function update(changes) {
  const before = view.get();
  facts = { ...facts, ...changes };
  const { state, hurry } = summarise();
  if (before.page === "found" && facts.order && state !== before.state) facts = { ...facts, said: state };
  else if (hurry && !before.hurry) facts = { ...facts, said: "hurry" };
  view.set(summarise());
}

function learn(order) {
  const nothing = ["expired", "cancelled"].includes(order.status) && order.refund === undefined;
  update({ order, endedAt: nothing ? facts.endedAt || Date.now() : 0 });
}

function pace() {
  if (!facts.order || facts.order.status === "pending") return PENDING_POLL_MS;
  return facts.endedAt > Date.now() - LATE_FOR_MS ? LATE_POLL_MS : 0;
}

// --- React -----------------------------------------------------------------------------------------------

// Polls the order of the address, and its event. It draws nothing.
export function OrderFeed() {
  const { reference } = useParams();
  const [every, setEvery] = useState(PENDING_POLL_MS);
  const order = usePolled(orderPath(reference), every);
  const slug = order.data?.body.event;
  const event = usePolled(slug ? eventPath(slug) : null, EVENT_POLL_MS);
  useEffect(() => {
    if (facts.order?.reference !== reference) update(NOTHING);
  }, [reference]);
  useEffect(() => {
    if (!order.data) return;
    const focused = document.activeElement;
    const { state } = view.get();
    learn(order.data.body);
    setEvery(pace());
    // A button that had the focus may be gone with the state that it was for.
    if (view.get().state !== state && focused !== document.body)
      setTimeout(() => {
        if (document.activeElement === document.body) document.getElementById("order-state")?.focus();
      });
  }, [order.data, reference]);
  useEffect(() => {
    update({ event: event.data?.body ?? null });
  }, [event.data, reference]);
  useEffect(() => {
    update({ missing: order.error?.status === 404 });
  }, [order.error, reference]);
  useEffect(() => {
    if (!order.isValidating) update({ failed: Boolean(order.error) });
  }, [order.error, order.isValidating, reference]);
  const tick = useCallback(() => {
    update({});
    setEvery(pace());
  }, []);
  useEverySecond(tick);
  useOutcome(() => void order.mutate());
  useAfterCancelling(() => {
    order.mutate();
    // Why it may not be cancelled: the concert may begin earlier than was known.
    event.mutate();
    const again = setTimeout(event.mutate, CACHE_MAX_AGE_MS);
    return () => clearTimeout(again);
  });
  return null;
}

// A ticket's code, fetched again by itself when the API was away.
export function TicketCode({ src, ...props }) {
  const [attempt, setAttempt] = useState(0);
  const waiting = useRef(0);
  useEffect(() => () => clearTimeout(waiting.current), []);
  const onError = () => {
    const wait = Math.min(IMAGE_RETRY_MS * 2 ** attempt, IMAGE_RETRY_MS_MAX);
    waiting.current = setTimeout(() => setAttempt(attempt + 1), wait);
  };
  return createElement("img", { ...props, key: attempt, src, onError, decoding: "async" });
}
