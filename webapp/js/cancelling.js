// What a page shows of a cancelling: which booking is asked about, that the server is at it, or that nobody heard it.
import { useEffect } from "react";

import { UNHEARD_AFTER_MS } from "./checkout_feed.js";
import { useEverySecond, useStore } from "./hooks.js";
import { createStore } from "./store.js";

// Longer than the server takes; past it the server was cut short, and the button is free again.
const SENDING_MS_MAX = 30_000;

let facts = {
  asked: "", // the booking that the dialog is about
  clicked: "", // the one whose cancelling the server has not taken up yet
  told: { phase: "idle", reference: "" }, // what the server says
  since: 0, // when the click was, or when the server said it
};

function outcome() {
  const { clicked, told, since } = facts;
  const past = Date.now() - since;
  if (clicked !== "") return { reference: clicked, phase: past > UNHEARD_AFTER_MS ? "unheard" : "sending" };
  return told.phase === "sending" && past > SENDING_MS_MAX ? { ...told, phase: "unreachable" } : told;
}

const summarise = () => ({ asked: facts.asked, ...outcome() });
const view = createStore(summarise());
export const useCancelling = () => useStore(view);

function update(changes) {
  facts = { ...facts, ...changes };
  view.set(summarise());
}

const tick = () => update({});

const dialog = () => document.getElementById("cancel-dialog");

export function ask(reference) {
  // What is under way is waited for.
  if (view.get().phase === "sending") return;
  update({ asked: reference });
  dialog()?.showModal();
}

export const keep = () => dialog()?.close();

export function confirm(reference) {
  keep();
  update({ clicked: reference, since: Date.now() });
}

// Passes on what the page's State says. It draws nothing.
export function CancellingFeed({ phase, reference, turn }) {
  useEffect(() => {
    update({ clicked: "", told: { phase, reference }, since: Date.now() });
  }, [phase, reference, turn]);
  useEverySecond(tick);
  return null;
}
