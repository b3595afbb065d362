// The checkout's components and events for pages.

import { createElement, useEffect } from "react";
import { useLocation, useNavigate } from "react-router";
import { recallContact, rememberEmail } from "../email.js";
import { keepFocus } from "../focus.js";
import { useEverySecond, useField, useIdle } from "../hooks.js";
import { currentLanguage } from "../language.js";
import { loadAhead } from "../react_router_patch.js";
import { rememberName } from "../remembered.js";
import { readForm } from "./purchase.js";
import { checkout } from "./store.js";

const ORDER_PAGE = "booking/";
const BOOKING_BUTTON = "button[type=submit]:enabled";

/**
 * Draw a component from a field of the checkout.
 * @param {keyof ReturnType<typeof checkout.view.get>} name
 */
export const useCheckout = (name) => useField(checkout.view, name);

/** The element that had the focus at the last click. @type {Element | null} */
let pressed = null;

/**
 * Make an event of a page from an action of the checkout.
 * @template {unknown[]} Arguments
 * @param {(...values: Arguments) => unknown} action
 * @returns {(...values: Arguments) => void}
 */
const click =
  (action) =>
  (...values) => {
    pressed = document.activeElement;
    void action(...values);
  };

export const again = click((/** @type {string} */ reference, /** @type {number | undefined} */ newTotal) =>
  checkout.again(reference, newTotal, recallContact(currentLanguage())),
);
export const bookLeft = click((/** @type {number} */ price, /** @type {number} */ currencyDigits) =>
  checkout.bookLeft(price, currencyDigits),
);
export const check = () => void checkout.check();

const FIELD_TYPES = ["text", "email"];

/**
 * The form that books. It stores the buyer's address and name for the next visit, the name under `storageKey`.
 * @param {{ storageKey: string } & Record<string, unknown>} props
 */
export function CheckoutForm({ storageKey, ...props }) {
  const onSubmit = (/** @type {import("react").FormEvent<HTMLFormElement>} */ event) => {
    event.preventDefault();
    const fields = /** @type {Record<string, string>} */ (Object.fromEntries(new FormData(event.currentTarget)));
    const read = readForm(fields, currentLanguage());
    if ("fault" in read) return checkout.reject(read.fault);
    click(() => checkout.book(read.wanted))();
    rememberName(storageKey, read.wanted.userId);
    rememberEmail(read.wanted.email);
  };
  const onInput = (/** @type {import("react").FormEvent<HTMLFormElement>} */ { target }) => {
    if (target instanceof HTMLInputElement) checkout.edit(target.name);
  };
  /** The Enter key in a field leads to the button, which shows the total. */
  const onKeyDown = (/** @type {import("react").KeyboardEvent<HTMLFormElement>} */ event) => {
    if (event.key !== "Enter" || !(event.target instanceof HTMLInputElement)) return;
    if (!FIELD_TYPES.includes(event.target.type)) return;
    event.preventDefault();
    /** @type {HTMLElement | null} */ (event.currentTarget.querySelector(BOOKING_BUTTON))?.focus();
  };
  return createElement("form", { ...props, noValidate: true, onSubmit, onInput, onKeyDown });
}

/**
 * Call a function after each click whose outcome is shown on the page.
 * @param {() => void} look
 */
export function useOutcome(look) {
  useEffect(() => checkout.onOutcome(look));
}

/** Follows the checkout on a page, and loads the page that it leads to beforehand. */
export function CheckoutFeed() {
  const { pathname } = useLocation();
  const navigate = useNavigate();
  useEffect(() => checkout.arrive(pathname.replace(/\/$/, ""), navigate), [pathname, navigate]);
  useEffect(() => checkout.onOutcome(() => keepFocus(pressed)), []);
  useEverySecond(checkout.refresh);
  const isIdle = useIdle();
  useEffect(() => {
    if (isIdle) loadAhead((path) => path.startsWith(ORDER_PAGE), "low");
  }, [isIdle]);
  return null;
}
