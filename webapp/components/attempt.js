// What a page shows of a click that its server deals with: that it is under way, that nobody heard it, and how long to
// wait before another one makes sense.
import { useEffect } from "react";

import { observable } from "$/utils/api";

// Past this, a click that the page's server did not take up is reported.
const UNHEARD_AFTER_MS = 10_000;

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

const view = observable(summarise());
export const useAttempt = view.use;

function update(changes) {
  facts = { ...facts, ...changes };
  view.set(summarise());
}

export const press = () => update({ pressedAt: Date.now() });

// Passes on what the page's State says. It draws nothing.
export function AttemptFeed({ sending, turn, waitS }) {
  useEffect(() => {
    update({ busy: sending, pressedAt: 0, waitUntil: waitS > 0 ? Date.now() + waitS * 1000 : 0 });
  }, [sending, turn, waitS]);
  useEffect(() => {
    const ticking = setInterval(() => update({}), 1_000);
    return () => clearInterval(ticking);
  }, []);
  return null;
}
