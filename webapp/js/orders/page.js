// The page of an order: its store, and the polling of the order and its event.
import { createElement, useCallback, useEffect, useState } from "react";
import { useParams } from "react-router";
import { mutate } from "swr";
import { useOutcome } from "../checkout/feed.js";
import { serverNow } from "../clock.js";
import { useEverySecond, useIdle, useStore } from "../hooks.js";
import { HttpError } from "../http.js";
import { forgetOrder, keepOrder, keptOrder } from "../offline/kept_orders.js";
import { registerWorker } from "../offline/register.js";
import { reviewTickets } from "../own_tickets.js";
import { eventPath, orderPath } from "../paths.js";
import { CACHE_MAX_AGE_MS, usePolled } from "../polling.js";
import { adoptProposed, takeLinkSecret } from "../secrets.js";
import { createStore } from "../store.js";
import { useAfterCancelling } from "./cancelling.js";
import { cancelling } from "./cancelling_store.js";
import { announcementOf, applyFailure, applyOrder, deriveOrderPage, INITIAL_STATE, pollInterval } from "./page_view.js";

/** @import { SWRResponse } from "swr" */
/** @import { Snapshot } from "../http.js" */
/** @import { EventDetails, Order } from "../schemas.js" */
/** @import { OrderState } from "./page_view.js" */

// The event is polled because it may be cancelled.
const EVENT_POLL_MS = 60_000;

// The cached order is out of date even if another page is shown when the outcome arrives.
cancelling.onOutcome((reference) => void mutate(orderPath(reference)));

let state = INITIAL_STATE;
const derive = () => deriveOrderPage(state, serverNow());
const view = createStore(derive());

/** Draw a component from the page's order. */
export const useOrder = () => useStore(view);

/** @param {Partial<OrderState>} changes */
function update(changes) {
  state = { ...state, ...changes };
  state = { ...state, announcement: announcementOf(view.get(), derive()) };
  view.set(derive());
}

/** Polls the order in the page's address, and its event. It draws nothing. */
export function OrderFeed() {
  const { reference = "" } = useParams();
  // The key makes React mount the polling again for another order.
  return createElement(Polling, { key: reference, reference });
}

/** @param {{ reference: string }} props */
function Polling({ reference }) {
  // The first request already needs the secret.
  useState(() => takeLinkSecret(reference));
  useEffect(() => {
    // A link that the visitor pastes into this tab changes only the fragment, so that no page loads.
    const take = () => void (takeLinkSecret(reference) && mutate(orderPath(reference)));
    window.addEventListener("hashchange", take);
    return () => window.removeEventListener("hashchange", take);
  }, [reference]);
  const [interval, setInterval] = useState(pollInterval(INITIAL_STATE, 0));
  /** @type {SWRResponse<Snapshot<Order>>} */
  const order = usePolled(orderPath(reference), interval);
  const slug = order.data?.body.event;
  /** @type {SWRResponse<Snapshot<EventDetails>>} */
  const event = usePolled(slug ? eventPath(slug) : null, EVENT_POLL_MS);

  useEffect(() => {
    if (state.order?.reference !== reference) update(INITIAL_STATE);
    update({ paid: new URLSearchParams(location.search).has("paid") });
  }, [reference]);

  const { data: orderData } = order;
  useEffect(() => {
    if (!orderData) return;
    const focused = document.activeElement;
    update(applyOrder(state, orderData.body, Date.now()));
    reviewTickets(orderData.body);
    setInterval(pollInterval(state, Date.now()));
    // A button that had the focus may have disappeared with the last state or with a returned ticket.
    if (focused !== document.body) setTimeout(focusState);
  }, [orderData]);
  const eventBody = event.data?.body ?? null;
  useEffect(() => update({ event: eventBody }), [eventBody]);
  const { error } = order;
  useEffect(() => {
    if (!isMissing(error)) return;
    // The response to a revocation may be lost after the present secret has ended.
    if (adoptProposed(reference)) void mutate(orderPath(reference));
    else forgetOrder(reference);
  }, [reference, error]);
  const missing = isMissing(error);
  useEffect(() => {
    update(missing && state.keptAt ? { ...INITIAL_STATE, missing } : { missing });
  }, [missing]);
  const { isValidating } = order;
  const failed = Boolean(error);
  useEffect(() => {
    if (!isValidating) update(failed ? applyFailure(state, keptOrder(reference)) : { failed });
  }, [reference, isValidating, failed]);

  useEffect(() => {
    if (orderData) keepOrder(orderData.body, eventBody);
  }, [orderData, eventBody]);
  const isIdle = useIdle();
  const isConfirmed = orderData?.body.status === "confirmed";
  useEffect(() => {
    if (isIdle && isConfirmed) void registerWorker();
  }, [isIdle, isConfirmed]);

  const tick = useCallback(() => {
    update({});
    setInterval(pollInterval(state, Date.now()));
  }, []);
  useEverySecond(tick);
  useOutcome(() => void order.mutate());
  useAfterCancelling(() => {
    // The API may have refused because the event begins earlier than it did. Its cache does not show that at once.
    event.mutate();
    setTimeout(() => event.mutate(), CACHE_MAX_AGE_MS);
  });
  return null;
}

/** @param {unknown} error */
const isMissing = (error) => error instanceof HttpError && error.status === 404;

function focusState() {
  if (document.activeElement === document.body) document.getElementById("order-state")?.focus();
}
