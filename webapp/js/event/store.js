// The part of the event's page that lives in the browser: what the API tells of the event, its tiers and seats,
// what the visitor has chosen, and what the two allow. Counts, seats and buttons follow it without a round trip
// to the pages' server.
import { createElement, startTransition, useEffect, useLayoutEffect, useRef, useState } from "react";
import { useParams } from "react-router";

import { useCheckout, useOutcome } from "../checkout_feed.js";
import { checkout } from "../checkout_store.js";
import { secondsUntil, serverNow } from "../clock.js";
import { keepFocus } from "../focus.js";
import { useEverySecond, useField, useStore } from "../hooks.js";
import { CACHE_MAX_AGE_MS, usePolled } from "../polling.js";
import { bestAvailable, draw, isDrawnOf, NO_HOUSE, nearest, step } from "./seating.js";
import { settings } from "../settings.js";
import { createStore } from "../store.js";

const POLL_MS = 2_000;
const EVENT_POLL_MS = 15_000;
const STALE_AFTER_MS = 10_000;
const ANNOUNCE_EVERY_MS = 15_000;
const LOW_SHARE = 0.1;
const OFFERS = 3;
const FINGER = 25;
const EDGES = 64;
const DRAWN_WITHIN = "200px";
// Steps nearer from where a finger finds a seat; one step back from there the whole house is seen.
const ZOOMS = [1, 1.4, 2, 2.8];

const NO_EVENT = {
  slug: "",
  name: "",
  venue: "",
  description: "",
  startsAt: "",
  timeZone: "UTC",
  salesStartAt: "",
  salesEndAt: null,
  currency: "",
  state: "",
  tiers: [],
};

// --- What is known ---------------------------------------------------------------------------------------

// How an attempt was refused, of which tier, what was left of it, when by the API's time, and whether that is past: newer
// answers say otherwise, or it is said elsewhere.
const NO_REFUSAL = { phase: "", tier: "", left: 0, at: 0, over: false };

const NOTHING = {
  event: null, // null: nothing is known yet
  eventAsOf: "",
  missing: false, // the API says that there is no such event
  counts: null, // null: nothing is known yet, which is not the same as nothing left
  asOf: "",
  goneSince: {}, // of each tier without anything left: the time of the first counts that said so
  freshAt: 0, // the browser's time at which the counts were last seen to be current
  failed: false,
  refused: NO_REFUSAL,
  holds: {},
  holdsAsOf: "",
  statesFreshAt: 0, // the browser's time at which the seats' states were last seen to be current
  statesFailed: false,
  house: NO_HOUSE,
  seatStates: new Map(), // of each seat: a available, h held, s sold
  tier: "",
  quantity: 1, // as many as are wanted: those that are picked, and those that were lost
  picks: [], // ids of seats, in the order in which they were picked
  pickedAfter: "", // the time of the states that were known before the address asked for seats: they tell nothing of them
  lost: [], // seats that were picked, and that others have taken since
  focused: 0, // the seat that the keyboard is at
  zoom: 0, // a step of ZOOMS, or one below them for the whole house
  fit: 1, // what the house is scaled by when the whole of it is seen; 1: it always is
  list: false, // whether the list of seats is open
  inDoubt: false, // a booking may have been made, and the page does not know
  limited: false, // it is the buyer who has to wait, whatever is wanted
  announcement: { code: "", tier: "", left: 0 },
  announcedAt: 0,
};

let facts = { ...NOTHING };

const isFree = (id) => facts.seatStates.get(id) === "a";
const isOpen = (id) => isFree(id) && !facts.picks.includes(id);
const seatOf = (id) => facts.house.seats.get(id);
const farthest = () => (facts.fit < 1 ? -1 : 0);
const named = ({ id, tier, row, number }) => ({ id, tier, row, number });

function saleOf(event) {
  const now = serverNow();
  if (event.state === "cancelled") return "cancelled";
  if (Date.parse(event.salesStartAt) > now) return "upcoming";
  if (event.state === "ended" || Date.parse(event.startsAt) <= now || (event.salesEndAt && Date.parse(event.salesEndAt) <= now)) return "ended";
  // Whether anything is left the counts know better: they are asked for more often.
  return "on_sale";
}

// What was told before a refusal knows less than the refusal.
const isRefused = (name) =>
  facts.refused.tier === name && [facts.asOf, facts.eventAsOf].some((asOf) => Date.parse(asOf) < facts.refused.at);

function tierOf({ name, price, total, seated }) {
  const counted = facts.counts?.[name]?.available ?? 0;
  const refused = isRefused(name);
  const available = refused ? Math.min(counted, facts.refused.left) : counted;
  const { held = 0, heldUntil = null } = facts.holds[name] ?? {};
  const gone = facts.counts !== null && available <= 0;
  // What is gone may only be held: that is told by the seats' states, once they are as new as the counts.
  const told = gone && !refused && facts.holdsAsOf !== "" && facts.holdsAsOf >= (facts.goneSince[name] ?? "");
  // Until then the refusal tells it.
  const refusedAs = refused && gone ? facts.refused.phase : "";
  const low = available > 0 && available < total && available <= Math.max(total * LOW_SHARE, 1);
  return {
    name,
    price,
    total,
    seated,
    available,
    percent: Math.max(0, Math.min(100, (available / total) * 100)),
    sold_out: refusedAs === "sold_out" || (told && held === 0),
    all_held: refusedAs === "all_held" || (told && held > 0),
    back_in: refusedAs === "all_held" ? checkout.view.get().wait : told && heldUntil ? secondsUntil(heldUntil) : 0,
    low,
  };
}

// Another tier that has tickets: whoever wanted the one is offered what costs most nearly the same.
function nextBest(tiers, chosen) {
  const apart = (tier) => Math.abs(tier.price - (chosen?.price ?? 0));
  const others = tiers.filter((tier) => tier.available > 0 && tier.name !== chosen?.name);
  return others.sort((a, b) => apart(a) - apart(b) || a.price - b.price)[0];
}

function summarise() {
  const now = Date.now();
  const event = facts.event ?? NO_EVENT;
  const known = facts.counts !== null;
  // A map is no fresher than its seats.
  const age = now - (facts.house.rows.length ? Math.min(facts.freshAt, facts.statesFreshAt) : facts.freshAt);
  const stale = known && age > STALE_AFTER_MS;
  const sale = facts.event ? saleOf(event) : "";
  const tiers = event.tiers.map(tierOf);
  const chosen = tiers.find((tier) => tier.name === facts.tier);
  const best = nextBest(tiers, chosen);
  const most = Math.max(1, Math.min(settings.ticketsMax, known && chosen ? chosen.available : settings.ticketsMax));
  const quantity = facts.picks.length || Math.min(facts.quantity, most);
  const phase = !known ? (facts.failed ? "unreachable" : "loading") : stale ? "stale" : "live";
  const bookable = Boolean(chosen) && chosen.available > 0;
  return {
    page: facts.event ? "found" : facts.missing ? "missing" : facts.failed ? "away" : "loading",
    event,
    sale,
    opens_in: sale === "upcoming" ? secondsUntil(event.salesStartAt) : 0,
    phase,
    age: stale ? Math.round(age / 1000) : 0,
    tiers,
    sold_out: known && tiers.length > 0 && tiers.every((tier) => tier.sold_out),
    next_best: best?.name ?? "",
    next_best_price: best?.price ?? 0,
    tier: chosen?.name ?? "",
    seated: Boolean(chosen?.seated),
    bookable,
    price: chosen?.price ?? 0,
    tier_sold_out: Boolean(chosen?.sold_out),
    back_in: chosen?.back_in ?? 0,
    refusal_over: facts.refused.over,
    quantity,
    fewest: quantity <= 1,
    most: quantity >= most,
    limit: most,
    total: bookable ? chosen.price * quantity : 0,
    picks: facts.picks.map(seatOf).filter(Boolean).map(named),
    lost: facts.lost.map(named),
    offers: facts.lost.length ? nearest(facts.house, seatOf(facts.picks.at(-1)) ?? facts.lost[0], isOpen, OFFERS).map(named) : [],
    may_have_map: facts.holdsAsOf === "" || facts.house.rows.length > 0,
    map_away: facts.holdsAsOf === "" && facts.statesFailed && Boolean(chosen?.seated),
    has_map: facts.house.rows.length > 0,
    house: facts.house,
    blocks: facts.house.tiers.map((block) => ({
      ...block,
      price: tiers.find((tier) => tier.name === block.name)?.price ?? 0,
    })),
    list: facts.list,
    zoom: ZOOMS[facts.zoom] ?? 0, // 0: the whole house
    widest: facts.zoom >= ZOOMS.length - 1,
    whole: facts.zoom <= farthest(),
    // Whoever picked seats and lost one of them decides what shall be booked instead.
    locked:
      checkout.view.get().locked ||
      sale !== "on_sale" ||
      phase !== "live" ||
      !bookable ||
      facts.lost.length > 0 ||
      !facts.picks.every(seatOf),
    announcement: facts.announcement,
  };
}

const view = createStore(summarise());
export const useBoxOffice = (name) => useField(view, name);

// What is shown of each seat that is drawn or listed, so that a seat hears only of what becomes of itself.
const looks = new Map();
const WORD_OF = { a: "free", h: "held", s: "sold" };

function lookOf(id) {
  const state = facts.picks.includes(id) ? "mine" : (WORD_OF[facts.seatStates.get(id)] ?? "sold");
  return { state, tabIndex: facts.focused === id ? 0 : -1 };
}

// The seats that may look different than they did.
function seatsTouched({ picks, focused, seatStates }) {
  const touched = new Set([focused, facts.focused, ...picks, ...facts.picks]);
  for (const [id, state] of facts.seatStates) if (state !== seatStates.get(id)) touched.add(id);
  return touched;
}

function update(changes) {
  const before = facts;
  facts = { ...facts, ...changes };
  view.set(summarise());
  seatsTouched(before).forEach((id) => looks.get(id)?.set(lookOf(id)));
}

const refresh = () => update({});

// Screen readers hear the chosen tier now and then, not every two seconds; the end of a tier at once.
function announce() {
  const chosen = view.get().tiers.find((tier) => tier.name === facts.tier);
  if (!chosen || view.get().phase !== "live") return;
  const code = chosen.sold_out ? "sold_out" : chosen.all_held ? "all_held" : chosen.available > 0 ? "left" : "";
  if (!code) return;
  const announcement = { code, tier: chosen.name, left: chosen.available };
  const now = Date.now();
  if (JSON.stringify(announcement) === JSON.stringify(facts.announcement)) return;
  if (code === "left" && now - facts.announcedAt < ANNOUNCE_EVERY_MS) return;
  update({ announcement, announcedAt: now });
}

// Since when what the API tells is current, by the browser's clock. It ages from when the API's own time for it last
// moved: a clock of the browser's that is wrong, or a cache that repeats an old answer, makes nothing look fresher than
// it is; and what was kept from an earlier visit is as old as it is.
function freshness(asOf, lastAsOf, freshAt) {
  if (asOf !== "" && asOf === lastAsOf) return freshAt;
  return Date.now() - Math.max(0, serverNow() - (Date.parse(asOf) || serverNow()));
}

function learnCounts({ body, asOf }) {
  const names = Object.keys(body);
  const firstOpen = names.find((name) => body[name].available > 0) ?? names[0] ?? "";
  const gone = names.filter((name) => body[name].available <= 0);
  update({
    counts: body,
    asOf,
    goneSince: Object.fromEntries(gone.map((name) => [name, facts.goneSince[name] ?? asOf])),
    freshAt: freshness(asOf, facts.asOf, facts.freshAt),
    tier: names.includes(facts.tier) ? facts.tier : firstOpen,
  });
  reviewRefusal();
  announce();
}

function isRefusalPast({ phase, tier, left, at }) {
  if (phase === "not_on_sale") return Date.parse(facts.eventAsOf) >= at && view.get().sale === "on_sale";
  const now = view.get().tiers.find(({ name }) => name === tier);
  if (!now || isRefused(tier)) return false;
  // What was held may have been paid for, and what was sold may have come back and be held.
  const otherwise = phase === "all_held" ? now.sold_out : now.all_held;
  return now.available !== left || (otherwise && Date.parse(facts.holdsAsOf) >= at);
}

// Newer answers may say otherwise than what was refused: then that is past, and nobody waits for it.
function reviewRefusal() {
  const { refused } = facts;
  if (refused.over || !isRefusalPast(refused)) return;
  keepFocus();
  update({ refused: { ...refused, over: true } });
  if (refused.phase === "all_held" && !facts.limited) checkout.stopWaiting();
}

function learnStates({ body, asOf }) {
  const house = isDrawnOf(facts.house, body.rows) ? facts.house : draw(body.rows);
  const seatStates = new Map(body.rows.flatMap((row) => row.ids.map((id, column) => [id, row.states[column]])));
  // What is being booked, or may have been, is sold to this visitor and not lost, nor is what was told before the pick.
  const mayBeLost = !checkout.view.get().sending && !facts.inDoubt && asOf > facts.pickedAfter;
  const gone = mayBeLost ? facts.picks.filter((id) => seatStates.get(id) !== "a") : [];
  if (gone.length) keepFocus();
  // Seats that the address asked for are of a tier that was not chosen yet.
  const tier = house.seats.get(facts.picks[0])?.tier ?? facts.tier;
  update({
    tier,
    house,
    seatStates,
    holds: body.tiers,
    holdsAsOf: asOf,
    statesFreshAt: freshness(asOf, facts.holdsAsOf, facts.statesFreshAt),
    picks: facts.picks.filter((id) => !gone.includes(id)),
    lost: [...facts.lost, ...gone.map((id) => house.seats.get(id)).filter(Boolean)],
    focused: house.seats.has(facts.focused) ? facts.focused : (house.rows[0]?.seats[0]?.id ?? 0),
  });
  if (mayBeLost) forgetAskedSeats();
  reviewRefusal();
}

// The API refused seats that others have taken: their colour may not have come yet. Returns how many are known here.
function loseSeats(ids) {
  const taken = ids.map(seatOf).filter(Boolean);
  const seatStates = new Map(facts.seatStates);
  for (const seat of taken) seatStates.set(seat.id, "s");
  const lost = [...facts.lost.filter(({ id }) => !ids.includes(id)), ...taken];
  update({ seatStates, lost, picks: facts.picks.filter((id) => !ids.includes(id)) });
  return taken.length;
}

// --- What the visitor does -------------------------------------------------------------------------------

// Another tier need not wait for what is held of the last one.
function turnTo(tier) {
  if (tier !== facts.tier && !facts.limited) checkout.stopWaiting();
}

export function choose(tier) {
  if (checkout.view.get().sending) return;
  keepFocus();
  turnTo(tier);
  update({ tier, picks: [], lost: [], announcement: NOTHING.announcement, announcedAt: 0 });
}

export function changeQuantity(by) {
  const { quantity, limit } = view.get();
  const wanted = Math.max(1, Math.min(quantity + by, limit));
  if (facts.picks.length === 0) return update({ quantity: wanted });
  // Picked seats become more by their nearest neighbours, or fewer from the last one on.
  const last = seatOf(facts.picks.at(-1));
  const more = by > 0 ? nearest(facts.house, last, isOpen, wanted - facts.picks.length) : [];
  const picks = [...facts.picks, ...more.map((seat) => seat.id)].slice(0, wanted);
  const lost = facts.lost.slice(more.length);
  update({ quantity: picks.length + lost.length, picks, lost });
}

export function pick(id) {
  const seat = seatOf(id);
  if (!seat || checkout.view.get().sending) return;
  if (facts.picks.includes(id)) {
    const picks = facts.picks.filter((each) => each !== id);
    return update({ focused: id, picks, quantity: Math.max(1, picks.length + facts.lost.length) });
  }
  if (!isFree(id)) return update({ focused: id });
  const { picks, lost } = seat.tier === facts.tier ? facts : NOTHING;
  // One more than may be booked takes the place of the one that was picked first.
  const kept = picks.slice(Math.max(0, picks.length + 1 - settings.ticketsMax));
  turnTo(seat.tier);
  keepFocus();
  // Each takes the place of one that was lost, or is that one, which came back.
  const others = lost.filter((each) => each.id !== id);
  const still = others.length < lost.length ? others : lost.slice(1);
  update({ tier: seat.tier, focused: id, picks: [...kept, id], quantity: kept.length + 1 + still.length, lost: still });
}

export function pickBest() {
  const seats = bestAvailable(facts.house, facts.tier, Math.min(facts.quantity, view.get().limit), isFree);
  if (seats.length) update({ picks: seats.map((seat) => seat.id), quantity: seats.length, lost: [] });
}

export function unpickAll() {
  if (checkout.view.get().sending) return;
  keepFocus();
  update({ picks: [], lost: [] });
}

export function keepPicks() {
  if (checkout.view.get().sending) return;
  keepFocus();
  update({ quantity: facts.picks.length, lost: [] });
}

export const changeZoom = (by) =>
  update({ zoom: Math.max(farthest(), Math.min(facts.zoom + by, ZOOMS.length - 1)) });

export const toggleList = () => update({ list: !facts.list });

// --- Seats -----------------------------------------------------------------------------------------------

function useLook(id) {
  if (!looks.has(id)) looks.set(id, createStore(lookOf(id)));
  const { state, tabIndex } = useStore(looks.get(id));
  return { state, tabIndex, mine: state === "mine", gone: state === "held" || state === "sold" };
}

// A seat of the drawing, around the shapes that it is drawn with.
export function SeatLook({ seat, children, ...props }) {
  const { state, tabIndex, mine, gone } = useLook(seat);
  return createElement(
    "g",
    {
      ...props,
      className: "seat",
      role: "checkbox",
      tabIndex,
      "aria-checked": mine,
      "aria-disabled": gone,
      "data-seat": seat,
      "data-state": state,
    },
    children,
  );
}

// The same seat in the list.
export function SeatBox({ seat, number }) {
  const { mine, gone } = useLook(seat);
  const box = createElement("input", { type: "checkbox", checked: mine, disabled: gone, onChange: () => pick(seat) });
  return createElement("label", { className: "seat-box" }, box, number);
}

// In pixels: a seat is never smaller than a finger needs, but where the whole house is shown.
const narrowest = (columns) => columns * FINGER + EDGES;

// The drawing's frame, in which it grows without being drawn anew; what is in the middle stays there.
export function House({ columns, tall, children, ...props }) {
  const zoom = useBoxOffice("zoom");
  const drawing = useRef(null);
  const scale = zoom || facts.fit;
  const shown = useRef(scale);
  useLayoutEffect(() => {
    const plan = drawing.current.parentElement;
    const growth = scale / shown.current;
    const [across, down] = [plan.clientWidth / 2, plan.clientHeight / 2];
    plan.scrollTo((plan.scrollLeft + across) * growth - across, (plan.scrollTop + down) * growth - down);
    shown.current = scale;
  }, [scale]);
  useEffect(() => {
    const plan = drawing.current.parentElement;
    const watch = new ResizeObserver(() => update({ fit: Math.min(1, plan.clientWidth / narrowest(columns)) }));
    watch.observe(plan);
    return () => watch.disconnect();
  }, [columns]);
  const style = { "--narrowest": `${narrowest(columns)}px`, "--tall": tall, "--zoom": zoom || 1 };
  return createElement("svg", { ...props, ref: drawing, className: "house", "data-whole": zoom === 0, style }, children);
}

// The edge of the stage, bent like the rows.
export const stagePath = (width) => `M ${width * 0.2} 16 Q ${width / 2} 32 ${width * 0.8} 16 L ${width * 0.76} 54 Q ${width / 2} 70 ${width * 0.24} 54 Z`;

// Draws what is in it once it comes near the screen or a key is used, so that a page is there before hundreds of seats
// are. They can be picked with the mouse, a finger and the keyboard, seen closer with two fingers, and begin with the
// stage in the middle.
export function SeatPlan({ children, ...props }) {
  const frame = useRef(null);
  const spread = useRef(0);
  const [near, setNear] = useState(false);
  useEffect(() => {
    const watch = new IntersectionObserver(([entry]) => entry.isIntersecting && setNear(true), {
      rootMargin: DRAWN_WITHIN,
    });
    watch.observe(frame.current);
    // A keyboard is quicker than scrolling: who uses one finds it drawn.
    const draw = () => setNear(true);
    window.addEventListener("keydown", draw, { once: true });
    return () => {
      watch.disconnect();
      window.removeEventListener("keydown", draw);
    };
  }, []);
  useEffect(() => {
    // To ask how wide it is makes the browser lay out the whole page at once.
    if (!near) return;
    const element = frame.current;
    element.scrollLeft = (element.scrollWidth - element.clientWidth) / 2;
  }, [near]);
  const seatAt = (event) => Number(event.target.closest?.("[data-seat]")?.dataset.seat ?? 0);
  const onKeyDown = (event) => {
    const seat = seatOf(seatAt(event));
    if (!seat) return;
    if (event.key === " " || event.key === "Enter") pick(seat.id);
    else {
      const next = step(facts.house, seat, event.key);
      if (!next) return;
      update({ focused: next.id });
      frame.current.querySelector(`[data-seat="${next.id}"]`)?.focus();
    }
    event.preventDefault();
  };
  const gap = ({ touches }) => Math.hypot(touches[0].clientX - touches[1].clientX, touches[0].clientY - touches[1].clientY);
  const onTouchMove = (event) => {
    if (event.touches.length !== 2) return;
    const now = gap(event);
    if (spread.current === 0) spread.current = now;
    const ratio = now / spread.current;
    if (ratio < 1.25 && ratio > 0.8) return;
    spread.current = now;
    changeZoom(ratio > 1 ? 1 : -1);
  };
  return createElement(
    "div",
    {
      ...props,
      ref: frame,
      onClick: (event) => pick(seatAt(event)),
      onKeyDown,
      onTouchMove,
      onTouchEnd: () => (spread.current = 0),
    },
    near ? children : null,
  );
}

// The seats that the address asks for, as a booking's page does after one of them was lost.
function askedSeats() {
  const asked = new URLSearchParams(window.location.search).get("seats") ?? "";
  const picks = asked.split(",").map(Number).filter((id) => Number.isSafeInteger(id) && id > 0).slice(0, settings.ticketsMax);
  return picks.length ? { picks, quantity: picks.length } : {};
}

// Once it is known what became of them: who comes back to the page may want others, or have booked these.
function forgetAskedSeats() {
  if (new URLSearchParams(window.location.search).has("seats"))
    window.history.replaceState(window.history.state, "", window.location.pathname);
}

// --- React -----------------------------------------------------------------------------------------------

// Phases in which the API refused tickets of a tier, or as many.
const TIER_REFUSED = ["sold_out", "fewer_left", "all_held"];

// Polls what there is and takes in the outcome of each booking. It draws nothing.
export function EventFeed() {
  const { slug } = useParams();
  const phase = useCheckout("phase");
  const over = ["ended", "cancelled"].includes(useBoxOffice("sale"));
  const query = `?event=${encodeURIComponent(slug)}`;
  const event = usePolled(`/api/events/${encodeURIComponent(slug)}`, EVENT_POLL_MS);
  const counts = usePolled(over ? null : `/api/tickets/availability${query}`, POLL_MS);
  const states = usePolled(over ? null : `/api/tickets/states${query}`, POLL_MS);
  useEffect(() => checkout.view.subscribe(refresh), []);
  useEverySecond(refresh);
  useEffect(() => {
    // Another event, or this one after another page: what was picked there is not picked here.
    const asked = { pickedAfter: states.data?.asOf ?? "", ...askedSeats() };
    if (facts.event?.slug === slug) return update({ picks: [], lost: [], ...asked });
    looks.clear();
    update({ ...NOTHING, ...asked });
  }, [slug]);
  useOutcome(() => {
    const outcome = checkout.view.get();
    const tier = outcome.event === slug && TIER_REFUSED.includes(outcome.phase) ? outcome.tier : "";
    const lost = outcome.seats_gone.length ? loseSeats(outcome.seats_gone) : 0;
    // Of seats that are known the summary and the map say it.
    update({ refused: { phase: outcome.phase, tier, left: outcome.left, at: serverNow(), over: lost > 0 } });
    counts.mutate();
    states.mutate();
    if (!tier && outcome.phase !== "not_on_sale") return;
    event.mutate();
    setTimeout(event.mutate, CACHE_MAX_AGE_MS);
  });
  useEffect(() => {
    update({ inDoubt: phase === "unreachable", limited: phase === "rate_limited" });
  }, [phase, slug]);
  useEffect(() => {
    if (!event.data) return;
    startTransition(() => {
      update({ event: event.data.body, eventAsOf: event.data.asOf });
      reviewRefusal();
    });
  }, [event.data, slug]);
  useEffect(() => {
    if (counts.data) startTransition(() => learnCounts(counts.data));
  }, [counts.data, slug]);
  useEffect(() => {
    if (states.data) startTransition(() => learnStates(states.data));
  }, [states.data, slug]);
  useEffect(() => {
    // Seats that cannot be drawn cannot be picked either.
    const unknown = states.error && facts.holdsAsOf === "";
    update({ statesFailed: Boolean(states.error), ...(unknown ? { picks: [] } : {}) });
  }, [states.error, slug]);
  useEffect(() => {
    update({ missing: event.error?.status === 404 });
  }, [event.error]);
  useEffect(() => {
    if (counts.isValidating || event.isValidating) return;
    update({ failed: [counts.error, event.error].some((error) => error && error.status !== 404) });
  }, [counts.error, counts.isValidating, event.error, event.isValidating]);
  return null;
}
