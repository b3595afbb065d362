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

/** @param {string} tag */
const languageOf = (tag) => tag.split("-")[0];
