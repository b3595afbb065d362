// What a page shows of a click that its server deals with: that it is under way, that nobody heard it, and how long to
// wait before another one makes sense.
import { useEffect } from "react";

import { useEverySecond, useField } from "./hooks.js";
import { createStore } from "./store.js";

// Past this, a click that the page's server did not take up is reported.
export const UNHEARD_AFTER_MS = 10_000;
const DRAWN_AFTER_MS = 50;
// The State's phases while a click is dealt with.
const UNDER_WAY = ["sending", "done"];

// Kept by the tab, and read by attempt.py: the click of which it is not known what became of it.
const CLICKED = "clicked-booking";
const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";
const KEY_LENGTH = 26;

let facts = {
  busy: false, // the server is at it
  pressedAt: 0,
  clicked: "", // the last click
  waitUntil: 0,
  turn: 0, // the State's
  stopped: null, // the turn that nobody waits for any more
  click: "", // the next click: the key that it books under, and a number
};

// One that nobody can guess.
function newKey() {
  const numbers = crypto.getRandomValues(new Uint8Array(KEY_LENGTH));
  return "bk_" + Array.from(numbers, (number) => BASE32[number % BASE32.length]).join("");
}

// The key that the tab has: its last purchase's, or that of a click of which nothing is known yet, even to the State.
function openKey(unsettled) {
  const [clicked] = (sessionStorage.getItem(CLICKED) ?? "").split(".");
  try {
    return JSON.parse(unsettled).reference;
  } catch {
    return clicked;
  }
}

function summarise() {
  const now = Date.now();
  const wait = Math.max(0, Math.ceil((facts.waitUntil - now) / 1000));
  const unheard = facts.pressedAt > 0 && now - facts.pressedAt > UNHEARD_AFTER_MS;
  const sending = facts.busy || facts.pressedAt > 0; // one that was not heard is still to be sent
  return { sending, unheard, wait, locked: sending || wait > 0, click: facts.click };
}

export const attempt = createStore(summarise());
export const useAttempt = (name) => useField(attempt, name);

function update(changes) {
  facts = { ...facts, ...changes };
  attempt.set(summarise());
}

const tick = () => update({});

// What had the focus at the last click: a button that may be gone, or disabled, once the click has been dealt with.
let pressed = null;

// Who had the focus on a button that is gone finds it on the first thing that there is to do now.
function refocus(had) {
  if (document.activeElement !== document.body || !had || had === document.body) return;
  document.querySelector(".notice button:enabled, .notice a, .lost-ways button, button.submit:enabled, .other-tier")?.focus();
}

// Comes before a change that may take away what has the focus.
export function keepFocus() {
  const had = document.activeElement;
  setTimeout(() => refocus(had), DRAWN_AFTER_MS);
}

export function press() {
  pressed = document.activeElement;
  sessionStorage.setItem(CLICKED, facts.click);
  update({ pressedAt: Date.now(), clicked: facts.click });
}

export const stopWaiting = () => update({ waitUntil: 0, stopped: facts.turn });

// Calls `look` when the State has dealt with a click: what it was about may have changed. Comes before `useAttemptFeed`,
// which forgets the click.
export function useAfterward(look, { phase, turn }) {
  useEffect(() => {
    if (attempt.get().sending && !UNDER_WAY.includes(phase)) return look();
  }, [phase, turn]);
}

// Takes in what the page's State says.
export function useAttemptFeed({ phase, turn, heard, unsettled, waitS }) {
  const busy = UNDER_WAY.includes(phase);
  useEffect(() => {
    const dealtWith = facts.busy || (facts.pressedAt > 0 && heard === facts.clicked);
    if (dealtWith && !busy) sessionStorage.removeItem(CLICKED);
    const pressedAt = dealtWith || busy ? 0 : facts.pressedAt;
    // A connection that comes back brings the wait once more, also one that is over.
    const waits = waitS > 0 && turn !== facts.stopped;
    update({ busy, pressedAt, turn, waitUntil: waits ? Date.now() + waitS * 1000 : 0 });
    if (!dealtWith || busy) return;
    const drawn = setTimeout(() => refocus(pressed), DRAWN_AFTER_MS);
    return () => clearTimeout(drawn);
  }, [phase, turn, heard, waitS]);
  // Until a key is spent there is no other.
  useEffect(() => {
    if (!busy) update({ click: `${openKey(unsettled) || newKey()}.${Date.now()}` });
  }, [busy, turn, heard, unsettled]);
  useEverySecond(tick);
}

// The same for a page that has no other feed. It draws nothing.
export function AttemptFeed(props) {
  useAttemptFeed(props);
  return null;
}
