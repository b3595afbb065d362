// The language of the pages: its choice, its texts and its formats.
import { IntlMessageFormat } from "intl-messageformat";
import { useSyncExternalStore } from "react";

import english from "$/utils/strings/en.json";
// Every page imports this module.
import "./dom_guard.js";
import { createFormats } from "./formats.js";
import { isolate, negotiate } from "./locale.js";
import { recall, remember } from "./remembered.js";

/** @typedef {ReturnType<typeof createLanguage>} Language */

// Loaded on demand.
/** @type {Record<string, () => Promise<{ default: Record<string, string> }>>} */
const TRANSLATIONS = {
  de: () => import("$/utils/strings/de.json"),
  ar: () => import("$/utils/strings/ar.json"),
};
const RIGHT_TO_LEFT = ["ar"];
const STORAGE_KEY = "language";

/**
 * @param {string} language ISO 639
 * @param {string} locale BCP 47
 * @param {Record<string, string>} texts ICU messages by their keys
 */
function createLanguage(language, locale, texts) {
  const direction = RIGHT_TO_LEFT.includes(language) ? "rtl" : "ltr";
  /** @type {Map<string, IntlMessageFormat>} */
  const messages = new Map();
  return {
    language,
    locale,
    direction,
    ...createFormats(locale, direction),
    /**
     * Return a text in this language.
     * @param {string} key
     * @param {Record<string, string | number>} [values]
     */
    say(key, values) {
      // Parsing all texts would take longer than drawing the page.
      if (!values) return texts[key];
      const message = messages.get(key) ?? new IntlMessageFormat(texts[key], locale);
      messages.set(key, message);
      const isolated = Object.entries(values).map(([name, value]) => [
        name,
        typeof value === "string" ? isolate(value, direction) : value,
      ]);
      return message.format(Object.fromEntries(isolated));
    },
  };
}

// The build draws the pages in English, so the browser does not draw them again for an English visitor.
const prerendered = createLanguage("en", "en-US", english);
let current = prerendered;
/** @type {Set<() => void>} */
const listeners = new Set();

/** @type {object | null} */
let latestRequest = null;

async function applyLanguage() {
  const request = negotiate(["en", ...Object.keys(TRANSLATIONS)], recall(STORAGE_KEY), navigator.languages ?? []);
  const { language, locale } = request;
  latestRequest = request;
  if (language === current.language && locale === current.locale) return;
  const texts = language === "en" ? english : (await TRANSLATIONS[language]()).default;
  // The visitor chose another language while this one was loading.
  if (latestRequest !== request) return;
  current = createLanguage(language, locale, texts);
  showLanguage();
  for (const listener of listeners) listener();
}

/** Name the language and its direction in the root element, unless the page is as the build wrote it. */
export function showLanguage() {
  if (current === prerendered) return;
  document.documentElement.lang = current.locale;
  document.documentElement.dir = current.direction;
}

// Without a translation, the pages stay in the language that they have.
const applyLanguageIfPossible = () => void applyLanguage().catch(() => {});

if (typeof window !== "undefined") {
  // The browser's first number format is slow. In a task of its own it delays no drawing.
  setTimeout(() => current.number(0));
  applyLanguageIfPossible();
}

/**
 * Show the pages in another language, and remember the choice.
 * @param {string} language ISO 639
 */
export function chooseLanguage(language) {
  remember(STORAGE_KEY, language);
  applyLanguageIfPossible();
}

/** Return the language of the pages. */
export const currentLanguage = () => /** @type {import("./email.js").Locale} */ (current.language);

/** @param {() => void} listener */
function subscribe(listener) {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** Draw a component in the current language. */
export const useWords = () =>
  useSyncExternalStore(
    subscribe,
    () => current,
    () => prerendered,
  );
