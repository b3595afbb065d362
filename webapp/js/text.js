/**
 * Return a name as the API stores and compares it: composed (NFC) and without blanks around it.
 *
 * `api/text.py` has the same function. A test compares the two.
 * @param {string} text
 */
export const normalize = (text) => text.normalize("NFC").trim();
