// What a page shows of a click that its server deals with: that it is under way, that nobody heard it, and how long to
// wait before another one makes sense.
import { useEffect } from "react";

import { observable, useEverySecond } from "$/utils/api";

// Past this, a click that the page's server did not take up is reported.
export const UNHEARD_AFTER_MS = 10_000;
// The State's phases while a click is dealt with.
const UNDER_WAY = ["sending", "done"];

let facts = {
  busy: false, // the server is at it
  pressedAt: 0,
  waitUntil: 0,
};

function summarise() {
  const now = Date.now();
  const wait = Math.max(0, Math.ceil((facts.waitUntil - now) / 1000));
  const unheard = facts.pressedAt > 0 && now - facts.pressedAt > UNHEARD_AFTER_MS;
  const sending = facts.busy || facts.pressedAt > 0; // one that was not heard is still to be sent
  return { sending, unheard, wait, locked: sending || wait > 0 };
}

export const attempt = observable(summarise());
export const useAttempt = attempt.useField;

function update(changes) {
  facts = { ...facts, ...changes };
  attempt.set(summarise());
}

const tick = () => update({});

export const press = () => update({ pressedAt: Date.now() });

export const stopWaiting = () => update({ waitUntil: 0 });

// Calls `look` when the State has dealt with a click: what it was about may have changed. Comes before `useAttemptFeed`,
// which forgets the click.
export function useAfterward(look, { phase, turn }) {
  useEffect(() => {
    if (attempt.get().sending && !UNDER_WAY.includes(phase)) return look();
  }, [phase, turn]);
}

// Takes in what the page's State says.
export function useAttemptFeed({ phase, turn, waitS }) {
  useEffect(() => {
    update({ busy: UNDER_WAY.includes(phase), pressedAt: 0, waitUntil: waitS > 0 ? Date.now() + waitS * 1000 : 0 });
  }, [phase, turn, waitS]);
  useEverySecond(tick);
}

// The same for a page that has no other feed. It draws nothing.
export function AttemptFeed(props) {
  useAttemptFeed(props);
  return null;
}
