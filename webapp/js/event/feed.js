// Polling of an event's page: its event, counts and seat states, and the outcomes of bookings.
import { createElement, startTransition, useEffect, useState } from "react";
import { useParams } from "react-router";

import { keepBasket, recallBasket } from "../basket_storage.js";
import { findBest } from "../booking_api.js";
import { useOutcome } from "../checkout/feed.js";
import { checkout } from "../checkout/store.js";
import { serverNow } from "../clock.js";
import { saleOf } from "../event_rules.js";
import { useEverySecond } from "../hooks.js";
import { HttpError } from "../http.js";
import { sleep } from "../network.js";
import { countsPath, eventPath, statesPath } from "../paths.js";
import { CACHE_MAX_AGE_MS, usePolled } from "../polling.js";
import { readAhead } from "../read_ahead.js";
import { readSlug, readTickets } from "./address.js";
import { receiveBest, receiveCounts, receiveEvent, receiveStates, recordOutcome } from "./responses.js";
import { describesTiers, outdated } from "./revisions.js";
import { getState, refresh, reset, update, useEventView } from "./store.js";

/** @import { SWRResponse } from "swr" */
/** @import { Snapshot } from "../http.js" */
/** @import { EventDetails, TicketStates, TierAvailability } from "../schemas.js" */

/**
 * @typedef {object} Polls
 * @property {SWRResponse<Snapshot<EventDetails>>} event
 * @property {SWRResponse<Snapshot<Record<string, TierAvailability>>>} counts
 * @property {SWRResponse<Snapshot<TicketStates>>} states
 */

const POLL_MS = 2_000;
const EVENT_POLL_MS = 15_000;
// A visitor often adds several tickets in a row.
const SEARCH_AFTER_MS = 150;
const SEARCH_EVERY_MS_MAX = 60_000;
// The checkout's phases after a refusal that the event explains, such as an unknown tier.
const EVENT_REFUSALS = ["not_on_sale", "price_changed", "refused"];

// React needs much longer than the requests to make the page interactive.
if (typeof window !== "undefined") {
  const slug = readSlug(window.location.pathname);
  if (slug) for (const path of [eventPath(slug), countsPath(slug), statesPath(slug)]) readAhead(path);
}

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
  const polls = usePolls(slug);
  useStart(slug, polls.states.data?.asOf ?? "");
  useEffect(() => checkout.view.subscribe(refresh), []);
  useEverySecond(refresh);
  useRefusals(slug, polls);
  useResponses(polls);
  useFailures(polls);
  useBestSeats(slug);
  return null;
}

/**
 * Poll the event, and its tickets until its sale is over.
 * @param {string} slug
 * @returns {Polls}
 */
function usePolls(slug) {
  const hasEnded = isOver(useEventView("sale"));
  return {
    event: usePolled(eventPath(slug), EVENT_POLL_MS),
    counts: usePolled(hasEnded ? null : countsPath(slug), POLL_MS),
    states: usePolled(hasEnded ? null : statesPath(slug), POLL_MS),
  };
}

/**
 * Start with the tickets in the page's address, or with the stored basket. After a return to the event its data remain.
 * @param {string} slug
 * @param {string} asOf time of the seat states that the browser already has, or ""
 */
function useStart(slug, asOf) {
  const [knownAsOf] = useState(asOf);
  useEffect(() => {
    const wanted = readTickets(window.location.search);
    // The address is used once, and the basket lasts.
    if (wanted) keepBasket(slug, { tier: "", bestPicks: [], ...wanted });
    const { tier: last = "", quantities = {}, picks = [], bestPicks = [] } = recallBasket(slug) ?? {};
    const basket = { quantities, picks, bestPicks, isPreset: false, lost: [], offers: {}, picksAfter: knownAsOf };
    const { event, layout, tier } = getState();
    if (event?.slug === slug) update({ ...basket, tier: last || (layout.seats.get(picks[0])?.tier ?? tier) });
    else reset({ ...basket, tier: last });
  }, [slug, knownAsOf]);
}

/**
 * Record the outcome of each booking, and read again what it may have changed.
 * @param {string} slug
 * @param {Polls} polls
 */
function useRefusals(slug, { event, counts, states }) {
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
}

/**
 * Show the responses as soon as all have the same revision of the event.
 * @param {Polls} polls
 */
function useResponses(polls) {
  const { data: event, mutate: readEvent } = polls.event;
  const { data: counts } = polls.counts;
  // Without new seat states the tickets can still be booked.
  const states = polls.states.error ? undefined : polls.states.data;
  const older = outdated({ event, counts, states }).join(" ");
  const isJoined = older === "";
  useRereading(polls, older);
  useEffect(() => {
    // The counts of an event that is over are not read again.
    if (event && (isJoined || isOverNow(event.body))) startTransition(() => receiveEvent(event));
  }, [event, isJoined]);
  useEffect(() => {
    if (counts && isJoined) startTransition(() => receiveCounts(counts));
  }, [counts, isJoined]);
  useEffect(() => {
    if (states && isJoined) startTransition(() => receiveStates(states));
  }, [states, isJoined]);
  const isDescribed = !event || !counts || describesTiers(event.body, counts.body);
  useEffect(() => {
    // Without revisions only the names and prices show that the event has changed.
    if (isJoined && !isDescribed) readEvent();
  }, [isJoined, isDescribed, readEvent]);
}

/**
 * Read outdated responses again until they have the newest revision.
 * @param {Polls} polls
 * @param {string} older names of the outdated responses, separated by blanks
 */
function useRereading(polls, older) {
  const { mutate: readEvent } = polls.event;
  const { mutate: readCounts } = polls.counts;
  const { mutate: readStates } = polls.states;
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
}

/**
 * Search the best seats for the tickets by number in the basket. Failed searches are repeated at growing intervals.
 * @param {string} slug
 */
function useBestSeats(slug) {
  const searches = useEventView("searches");
  useEffect(() => {
    let isCurrent = searches.length > 0;
    const search = async () => {
      for (let delayMs = SEARCH_AFTER_MS; ; delayMs = Math.min(Math.max(delayMs * 2, POLL_MS), SEARCH_EVERY_MS_MAX)) {
        await sleep(delayMs);
        if (!isCurrent) return;
        const found = await Promise.all(searches.map(({ tier, quantity }) => findBest(slug, tier, quantity)));
        for (const [index, { choices = [] }] of found.entries())
          if (isCurrent && choices.length > 0) receiveBest(searches[index], choices);
      }
    };
    if (isCurrent) void search();
    // Other tickets need another search, and found seats need none.
    return () => {
      isCurrent = false;
    };
  }, [slug, searches]);
}

/**
 * Show an unknown event, and requests that fail.
 * @param {Polls} polls
 */
function useFailures({ event, counts, states }) {
  const statesFailed = Boolean(states.error);
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
}
