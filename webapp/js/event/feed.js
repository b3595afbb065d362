// Polling of an event's page: its event, counts and seat states, and the outcomes of bookings.
import { createElement, startTransition, useEffect, useState } from "react";
import { useParams } from "react-router";

import { useOutcome } from "../checkout/feed.js";
import { checkout } from "../checkout/store.js";
import { serverNow } from "../clock.js";
import { saleOf } from "../event_rules.js";
import { keepFocus } from "../focus.js";
import { useEverySecond } from "../hooks.js";
import { HttpError } from "../http.js";
import { countsPath, eventPath, statesPath } from "../paths.js";
import { CACHE_MAX_AGE_MS, usePolled } from "../polling.js";
import { settings } from "../settings.js";
import { readSeats, removeSeats } from "./address.js";
import { announce } from "./announcements.js";
import { describesTiers, outdated } from "./revisions.js";
import { loseSeats } from "./selection.js";
import { applyCounts, applyStates } from "./snapshots.js";
import { getState, getView, refresh, reset, update, useEventView } from "./store.js";
import { isRefusalOver } from "./tiers.js";

/** @import { SWRResponse } from "swr" */
/** @import { Snapshot } from "../http.js" */
/** @import { EventDetails, TicketStates, TierAvailability } from "../schemas.js" */

const POLL_MS = 2_000;
const EVENT_POLL_MS = 15_000;
// The checkout's phases after a refusal that concerns a tier.
const TIER_REFUSALS = ["sold_out", "fewer_left", "all_held"];
// Phases after a refusal that the event explains, such as an unknown tier.
const EVENT_REFUSALS = ["not_on_sale", "price_changed", "refused"];

const times = () => ({ now: Date.now(), serverNow: serverNow() });
const isOver = (/** @type {string} */ sale) => ["ended", "cancelled"].includes(sale);
const isOverNow = (/** @type {EventDetails} */ event) => isOver(saleOf(event, serverNow()));
const isNotFound = (/** @type {unknown} */ error) => error instanceof HttpError && error.status === 404;

/** Polls the event in the page's address. It draws nothing. */
export function EventFeed() {
  const { slug = "" } = useParams();
  // The key makes React mount the polling again for another event.
  return createElement(Polling, { key: slug, slug });
}

/** @param {{ slug: string }} props */
function Polling({ slug }) {
  const hasEnded = isOver(useEventView("sale"));
  /** @type {SWRResponse<Snapshot<EventDetails>>} */
  const event = usePolled(eventPath(slug), EVENT_POLL_MS);
  /** @type {SWRResponse<Snapshot<Record<string, TierAvailability>>>} */
  const counts = usePolled(hasEnded ? null : countsPath(slug), POLL_MS);
  /** @type {SWRResponse<Snapshot<TicketStates>>} */
  const states = usePolled(hasEnded ? null : statesPath(slug), POLL_MS);

  const [knownAsOf] = useState(states.data?.asOf ?? "");
  useEffect(() => {
    const ids = readSeats(window.location.search, settings.ticketsMax);
    const picks = { picksAfter: knownAsOf, ...(ids.length > 0 ? { picks: ids, quantity: ids.length } : {}) };
    // After a return to the event the data remain, but the old picks are dropped.
    if (getState().event?.slug === slug) update({ picks: [], lost: [], ...picks });
    else reset(picks);
  }, [slug, knownAsOf]);

  useEffect(() => checkout.view.subscribe(refresh), []);
  useEverySecond(refresh);
  useOutcome(() => {
    recordOutcome(slug);
    counts.mutate();
    states.mutate();
    const { phase, tier } = getState().refusal;
    if (tier === "" && !EVENT_REFUSALS.includes(phase)) return;
    // The event may have changed, which the API's cache does not show at once.
    event.mutate();
    setTimeout(() => event.mutate(), CACHE_MAX_AGE_MS);
  });

  const { data: eventData, mutate: readEvent } = event;
  const { data: countsData, mutate: readCounts } = counts;
  const { data: statesData, mutate: readStates } = states;
  const statesFailed = Boolean(states.error);
  // Without new seat states the tickets can still be booked.
  const usableStates = statesFailed ? undefined : statesData;
  const older = outdated({ event: eventData, counts: countsData, states: usableStates }).join(" ");
  const isJoined = older === "";
  useEffect(() => {
    if (older === "") return;
    const readers = { event: readEvent, counts: readCounts, states: readStates };
    const read = () => {
      for (const name of older.split(" ")) readers[/** @type {keyof typeof readers} */ (name)]();
    };
    // The API's cache may serve the older response once more.
    read();
    const timer = setInterval(read, CACHE_MAX_AGE_MS);
    return () => clearInterval(timer);
  }, [older, readEvent, readCounts, readStates]);
  useEffect(() => {
    // The counts of an event that is over are not read again.
    if (eventData && (isJoined || isOverNow(eventData.body))) startTransition(() => receiveEvent(eventData));
  }, [eventData, isJoined]);
  useEffect(() => {
    if (countsData && isJoined) startTransition(() => receiveCounts(countsData));
  }, [countsData, isJoined]);
  useEffect(() => {
    if (usableStates && isJoined) startTransition(() => receiveStates(usableStates));
  }, [usableStates, isJoined]);
  const isDescribed = !eventData || !countsData || describesTiers(eventData.body, countsData.body);
  useEffect(() => {
    // Without revisions only the names and prices show that the event has changed.
    if (isJoined && !isDescribed) readEvent();
  }, [isJoined, isDescribed, readEvent]);

  useEffect(() => {
    // Without a map the visitor could not see the seats from the address.
    const hasMap = getState().statesAsOf !== "";
    update({ statesFailed, ...(statesFailed && !hasMap ? { picks: [] } : {}) });
  }, [statesFailed]);
  const missing = isNotFound(event.error);
  useEffect(() => update({ missing }), [missing]);
  const isSettled = !counts.isValidating && !event.isValidating;
  const failed = [counts.error, event.error].some((error) => error && !isNotFound(error));
  useEffect(() => {
    if (isSettled) update({ failed });
  }, [isSettled, failed]);
  return null;
}

/** @param {Snapshot<EventDetails>} snapshot */
function receiveEvent({ body, asOf }) {
  update({ event: body, eventAsOf: asOf });
  reviewRefusal();
}

/** @param {Snapshot<Record<string, TierAvailability>>} snapshot */
function receiveCounts(snapshot) {
  update(applyCounts(getState(), snapshot, times()));
  reviewRefusal();
  const announcement = announce(getState(), getView(), Date.now());
  if (announcement) update(announcement);
}

/** @param {Snapshot<TicketStates>} snapshot */
function receiveStates(snapshot) {
  const state = getState();
  const { sending, phase } = checkout.view.get();
  const mayLosePicks = !sending && phase !== "unreachable" && snapshot.asOf > state.picksAfter;
  const changes = applyStates(state, snapshot, { ...times(), mayLosePicks });
  if (changes.picks.length < state.picks.length) keepFocus();
  update(changes);
  if (mayLosePicks) removeSeats();
  reviewRefusal();
}

/**
 * Record the outcome of a booking as the last refusal.
 * @param {string} slug
 */
function recordOutcome(slug) {
  const state = getState();
  const { phase, event, tier, left, seats_gone: taken } = checkout.view.get();
  const isAboutTier = event === slug && TIER_REFUSALS.includes(phase);
  update({
    ...(taken.length > 0 ? loseSeats(state, taken) : {}),
    refusal: {
      phase,
      tier: isAboutTier ? tier : "",
      left,
      at: serverNow(),
      // The map and the summary report the loss of seats that are on the map.
      over: taken.some((id) => state.layout.seats.has(id)),
    },
  });
}

/** End a refusal that newer snapshots contradict, and the wait that it has caused. */
function reviewRefusal() {
  const { refusal } = getState();
  const { tiers, sale } = getView();
  if (refusal.over || !isRefusalOver(getState(), tiers, sale)) return;
  keepFocus();
  update({ refusal: { ...refusal, over: true } });
  if (refusal.phase === "all_held" && checkout.view.get().phase !== "rate_limited") checkout.stopWaiting();
}
