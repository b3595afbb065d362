// The part of the page that lives in the browser: what is left (polled from the API), what the visitor
// has chosen, and what the two allow. Counts and buttons follow it without a round trip to the server.
import { createElement, useEffect, useRef, useSyncExternalStore } from "react";
import useSWR from "swr";

const POLL_MS = 2_000;
const FETCH_TIMEOUT_MS = 4_000;
const STALE_AFTER_MS = 10_000;
const ANNOUNCE_EVERY_MS = 15_000;
// Past this, a click that the page's server did not take up is reported.
const UNHEARD_AFTER_MS = 10_000;
const LOW_SHARE = 0.1;
const CURRENCY = "USD";

// Written by the web server's /config.js: one build serves every address and every limit.
const settings = { apiUrl: "", ticketsMax: 10, ...globalThis.TICKETS };

export const money = (amount, currency = CURRENCY) =>
  new Intl.NumberFormat(undefined, {
    style: "currency",
    currency,
    minimumFractionDigits: Number.isInteger(amount) ? 0 : 2,
  }).format(amount);

export const when = (time) =>
  time
    ? new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" }).format(new Date(time))
    : "";

const count = (number) => new Intl.NumberFormat().format(number);

const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;

// --- What is known ---------------------------------------------------------------------------------------

const facts = {
  tiers: null, // null: nothing is known yet, which is not the same as nothing left
  asOf: "",
  freshAt: 0, // the browser's time at which the counts were last seen to be current
  failed: false,
  tier: "",
  quantity: 1,
  busy: false, // the server is sending a booking
  pressedAt: 0,
  waitUntil: 0,
  announcement: "",
  announcedAt: 0,
  copied: "",
};

const listeners = new Set();
let view = summarise(0);
const initialView = view;

function update(changes) {
  Object.assign(facts, changes);
  const next = summarise(Date.now());
  // Pages are drawn again only when something that they show is different.
  if (JSON.stringify(next) !== JSON.stringify(view)) {
    view = next;
    listeners.forEach((listener) => listener());
  }
}

function summarise(now) {
  const age = now - facts.freshAt;
  const known = facts.tiers !== null;
  const stale = known && age > STALE_AFTER_MS;
  const tiers = (facts.tiers ?? []).map(([name, { available, total, price }]) => {
    const low = available > 0 && available <= total * LOW_SHARE;
    return {
      name,
      available,
      left: count(available),
      total: count(total),
      price: money(price),
      amount: price,
      percent: total > 0 ? Math.max(0, Math.min(100, (available / total) * 100)) : 0,
      sold_out: available <= 0,
      words: available <= 0 ? "Sold out" : low ? "Few left" : "",
    };
  });
  const open = tiers.filter((tier) => !tier.sold_out);
  const chosen = tiers.find((tier) => tier.name === facts.tier);
  const most = Math.max(1, Math.min(settings.ticketsMax, chosen?.available ?? settings.ticketsMax));
  const quantity = Math.min(facts.quantity, most);
  const wait = Math.max(0, Math.ceil((facts.waitUntil - now) / 1000));
  const unheard = facts.pressedAt > 0 && now - facts.pressedAt > UNHEARD_AFTER_MS;
  const sending = facts.busy || (facts.pressedAt > 0 && !unheard);
  const total = chosen && !chosen.sold_out ? money(chosen.amount * quantity) : "";
  const phase = !known ? (facts.failed ? "unreachable" : "loading") : stale ? "stale" : "live";
  return {
    phase,
    age: stale ? `${count(Math.round(age / 1000))} s` : "",
    tiers,
    sold_out: known && open.length === 0,
    tier: chosen?.name ?? "",
    tier_sold_out: chosen?.sold_out ?? false,
    next_best: open[0]?.name ?? "",
    quantity,
    fewest: quantity <= 1,
    most: quantity >= most,
    limit: most,
    total,
    wait: wait > 0 ? clock(wait) : "",
    sending,
    unheard,
    locked: sending || phase !== "live" || wait > 0 || !chosen || chosen.sold_out,
    announcement: facts.announcement,
    copied: facts.copied,
  };
}

// Screen readers hear the chosen tier now and then, not every two seconds; the end of a tier at once.
function announce() {
  const chosen = view.tiers.find((tier) => tier.name === view.tier);
  if (!chosen || view.phase !== "live") return;
  const text = chosen.sold_out ? `${chosen.name} is sold out` : `${chosen.name}: ${chosen.left} left`;
  const now = Date.now();
  if (text === facts.announcement) return;
  if (!chosen.sold_out && now - facts.announcedAt < ANNOUNCE_EVERY_MS) return;
  update({ announcement: text, announcedAt: now });
}

function learn({ tiers, asOf }) {
  const names = tiers.map(([name]) => name);
  const firstOpen = tiers.find(([, tier]) => tier.available > 0)?.[0] ?? names[0] ?? "";
  // Counts age from when the API's own time for them last moved: a clock of the browser's that is wrong,
  // or a cache that repeats an old answer, makes no count look fresher than it is.
  const moved = asOf === "" || asOf !== facts.asOf;
  update({
    tiers,
    asOf,
    freshAt: moved ? Date.now() : facts.freshAt,
    failed: false,
    tier: names.includes(facts.tier) ? facts.tier : firstOpen,
  });
  announce();
}

// --- What the visitor does -------------------------------------------------------------------------------

export const choose = (tier) => update({ tier, announcement: "" });

export const changeQuantity = (step) =>
  update({ quantity: Math.max(1, Math.min(view.quantity + step, view.limit)) });

export const press = () => update({ pressedAt: Date.now() });

export const focusTiers = () => document.querySelector("input[name=tier]:checked:enabled, input[name=tier]:enabled")?.focus();

export const printPage = () => window.print();

export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    update({ copied: "Copied" });
  } catch {
    // Outside https and localhost there is no clipboard: the reference is there to be selected.
    update({ copied: "Select it to copy" });
  }
  setTimeout(() => update({ copied: "" }), 3_000);
}

// --- React -----------------------------------------------------------------------------------------------

function subscribe(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const useBoxOffice = () =>
  useSyncExternalStore(
    subscribe,
    () => view,
    () => initialView,
  );

async function fetchAvailability(path) {
  const response = await fetch(settings.apiUrl + path, {
    cache: "no-cache",
    signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
  });
  if (!response.ok) throw new Error(`The API answered ${response.status}`);
  return {
    tiers: Object.entries(await response.json()),
    asOf: response.headers.get("X-As-Of") ?? "",
  };
}

// Polls what is left and passes on what the page's State says of the booking. It draws nothing.
export function AvailabilityFeed({ path, sending, turn, waitS }) {
  const { data, error, isValidating, mutate } = useSWR(path, fetchAvailability, {
    refreshInterval: POLL_MS,
    refreshWhenHidden: false,
    // Not when the browser believes itself offline either: that guess is often wrong on a local network.
    refreshWhenOffline: true,
    revalidateOnFocus: true,
    dedupingInterval: POLL_MS / 2,
    keepPreviousData: true,
    // After a failure swr waits longer and longer; what is sold does not.
    onErrorRetry: (_error, _key, _config, revalidate, { retryCount }) =>
      setTimeout(() => revalidate({ retryCount }), POLL_MS),
    // Equal counts with a newer time are still news.
    compare: (a, b) => a === b,
  });
  useEffect(() => {
    if (data) learn(data);
  }, [data]);
  useEffect(() => {
    if (!isValidating) update({ failed: Boolean(error) });
  }, [error, isValidating]);
  useEffect(() => {
    const ticking = setInterval(() => update({}), 1_000);
    return () => clearInterval(ticking);
  }, []);
  useEffect(() => {
    update({ busy: sending, pressedAt: 0, waitUntil: waitS > 0 ? Date.now() + waitS * 1000 : 0 });
    if (!sending) mutate();
  }, [sending, turn, waitS, mutate]);
  return null;
}

// An input that starts with what it held on the last visit. The page's State keeps the value when it is
// used; reading it here shows it at once and never overwrites what is being typed.
export function RememberedInput({ storageKey, ...props }) {
  const field = useRef(null);
  useEffect(() => {
    if (field.current && !field.current.value) field.current.value = localStorage.getItem(storageKey) ?? "";
  }, [storageKey]);
  return createElement("input", { ...props, ref: field });
}
