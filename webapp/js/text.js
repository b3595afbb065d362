// Names that buyers type, by the API's rule. A test compares this module with `api/text.py`.

/** @typedef {"user_missing" | "user_too_long" | "user_invalid"} NameFault */

/** Maximum length of a name, in characters. */
const NAME_LENGTH_MAX = 128;

// U+2800 is the blank of Braille.
const VISIBLE = /[^\s\u2800\p{Default_Ignorable_Code_Point}]/u;
const CONTROL = /[\p{Control}\p{Line_Separator}\p{Paragraph_Separator}\p{Bidi_Control}]/u;

/**
 * Return a name as the API stores and compares it: composed (NFC) and without blanks around it.
 *
 * `api/text.py` has the same function.
 * @param {string} text
 */
export const normalize = (text) => text.normalize("NFC").trim();

/**
 * Read a name that a buyer has typed. Return its normal form, or the code of its fault if the API refuses it.
 * @param {string} text
 * @returns {{ name: string } | { fault: NameFault }}
 */
export function readName(text) {
  const name = normalize(text);
  if (!VISIBLE.test(name)) return { fault: "user_missing" };
  if (CONTROL.test(name)) return { fault: "user_invalid" };
  // The API counts code points.
  if ([...name].length > NAME_LENGTH_MAX) return { fault: "user_too_long" };
  return { name };
}
