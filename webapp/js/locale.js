// Negotiation of the pages' language. Pure functions.

/**
 * Choose a language and a locale: the stored choice, else one of the browser's languages, else the default.
 *
 * The locale is the visitor's own variety of the language: en-GB writes dates in another way than en-US.
 * @param {string[]} supported languages (ISO 639), the default first
 * @param {string | null} stored the language that the visitor chose on an earlier visit
 * @param {readonly string[]} preferred the browser's languages (BCP 47), the best first
 */
export function negotiate(supported, stored, preferred) {
  const wanted = [...(stored ? [stored] : []), ...preferred].map(languageOf);
  const language = wanted.find((each) => supported.includes(each)) ?? supported[0];
  return { language, locale: preferred.find((tag) => languageOf(tag) === language) ?? language };
}

// Unicode's isolates: the text between them has the direction of its first letter.
const FIRST_STRONG_ISOLATE = "\u2068";
const POP_ISOLATE = "\u2069";
const RIGHT_TO_LEFT_LETTER = /[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}]/u;
const OTHER_LETTER = /(?![\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}])\p{L}/u;

/**
 * Isolate a text if some of its letters run against the direction of the page, so that it cannot reorder its sentence.
 * @param {string} text
 * @param {"ltr" | "rtl"} direction The direction of the page.
 */
export function isolate(text, direction) {
  const against = direction === "rtl" ? OTHER_LETTER : RIGHT_TO_LEFT_LETTER;
  return against.test(text) ? FIRST_STRONG_ISOLATE + text + POP_ISOLATE : text;
}

/** @param {string} tag */
const languageOf = (tag) => tag.split("-")[0];
