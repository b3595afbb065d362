// The words of the pages in the visitor's language, and amounts, counts and times in the visitor's locale.
import { IntlMessageFormat } from "intl-messageformat";
import { useSyncExternalStore } from "react";

import english from "$/utils/strings/en.json";

// Fetched only by who reads them.
const OTHERS = {
  de: () => import("$/utils/strings/de.json"),
  ar: () => import("$/utils/strings/ar.json"),
};
const RIGHT_TO_LEFT = ["ar"];
const KEPT_AS = "language";

const listeners = new Set();
// As the build draws the pages: who wants them so sees them drawn once.
const inEnglish = speak("en", "en-US", english);
let current = inEnglish;

function speak(language, locale, texts) {
  const direction = RIGHT_TO_LEFT.includes(language) ? "rtl" : "ltr";
  const messages = new Map();
  const formats = new Map();

  const format = (kind, options) => {
    const key = kind.name + JSON.stringify(options);
    if (!formats.has(key)) formats.set(key, new kind(locale, options));
    return formats.get(key);
  };
  const number = (value) => format(Intl.NumberFormat, {}).format(value);
  const time = (value, options) => (value ? format(Intl.DateTimeFormat, options).format(new Date(value)) : "");
  // Written from right to left, US$ would become $US.
  const isolated = ({ type, value }) => (type === "currency" ? `\u2066${value}\u2069` : value);
  const clock = { hour: "numeric", minute: "2-digit" };
  const dayAndClock = { ...clock, day: "numeric" };
  // Whether the clock of a place shows something else than the visitor's.
  const differs = (value, timeZone) => time(value, { ...dayAndClock, timeZone }) !== time(value, dayAndClock);
  const list = (items) => format(Intl.ListFormat, { type: "unit", style: "long" }).format(items);

  return {
    language,
    locale,
    number,
    direction,
    say(key, values) {
      // A formatter for each would cost a page's start more than all of its drawing.
      if (!values) return texts[key];
      if (!messages.has(key)) messages.set(key, new IntlMessageFormat(texts[key], locale));
      return messages.get(key).format(values);
    },
    money(amount, currency) {
      if (!currency) return "";
      const whole = Number.isInteger(amount) ? { maximumFractionDigits: 0 } : {};
      const price = format(Intl.NumberFormat, { style: "currency", currency, ...whole });
      return direction === "rtl" ? price.formatToParts(amount).map(isolated).join("") : price.format(amount);
    },
    // When something happened, by the visitor's own clock.
    moment: (value) => time(value, { dateStyle: "medium", timeStyle: "short" }),
    // When a concert begins, by the clock of its place.
    weekday: (value, timeZone) => time(value, { weekday: "long", timeZone }),
    date: (value, timeZone) => time(value, { dateStyle: "long", timeZone }),
    day: (value, timeZone) => time(value, { day: "numeric", timeZone }),
    month: (value, timeZone) => time(value, { month: "long", year: "numeric", timeZone }),
    shortMonth: (value, timeZone) => time(value, { month: "short", year: "numeric", timeZone }),
    // The year, too, where it is another one.
    shortDate(value, timeZone) {
      const year = new Date(value).getFullYear() === new Date().getFullYear() ? undefined : "numeric";
      return time(value, { month: "short", day: "numeric", year, timeZone });
    },
    hour: (value, timeZone) => time(value, { ...clock, timeZone, ...(differs(value, timeZone) ? { timeZoneName: "short" } : {}) }),
    // Seconds as days, hours, minutes and seconds, as far as there are any: 1 day, 2:03:04.
    span(seconds) {
      const two = format(Intl.NumberFormat, { minimumIntegerDigits: 2 });
      const days = Math.floor(seconds / 86_400);
      const hours = Math.floor(seconds / 3_600) % 24;
      const minutes = Math.floor(seconds / 60) % 60;
      const face =
        seconds >= 3_600
          ? [number(hours), two.format(minutes), two.format(seconds % 60)].join(":")
          : [number(minutes), two.format(seconds % 60)].join(":");
      const whole = format(Intl.NumberFormat, { style: "unit", unit: "day", unitDisplay: "long" });
      return days > 0 ? list([whole.format(days), face]) : face;
    },
  };
}

// --- Which language --------------------------------------------------------------------------------------

function wanted() {
  const kept = localStorage.getItem(KEPT_AS);
  const asked = [...(kept ? [kept] : []), ...(navigator.languages ?? [])];
  const known = ["en", ...Object.keys(OTHERS)];
  const language = asked.map((tag) => tag.split("-")[0]).find((tag) => known.includes(tag)) ?? "en";
  // The visitor's own variety of it, for dates and amounts: en-GB writes them in another way than en-US.
  const locale = (navigator.languages ?? []).find((tag) => tag.split("-")[0] === language) ?? language;
  return { language, locale };
}

let latest = null;

async function follow(wish) {
  const { language, locale } = wish;
  latest = wish;
  if (language === current.language && locale === current.locale) return;
  const texts = language === "en" ? english : (await OTHERS[language]()).default;
  // Another one was chosen while this one was on its way.
  if (latest !== wish) return;
  current = speak(language, locale, texts);
  document.documentElement.lang = locale;
  document.documentElement.dir = current.direction;
  listeners.forEach((listener) => listener());
}

if (typeof window !== "undefined") {
  // The first number that a browser writes takes it long: in a turn of its own that holds up no drawing.
  setTimeout(() => current.number(0));
  // What cannot be fetched leaves the pages in English.
  follow(wanted()).catch(() => {});
}

export function chooseLanguage(language) {
  localStorage.setItem(KEPT_AS, language);
  follow(wanted()).catch(() => {});
}

// --- React -----------------------------------------------------------------------------------------------

function subscribe(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const useWords = () =>
  useSyncExternalStore(
    subscribe,
    () => current,
    () => inEnglish,
  );
