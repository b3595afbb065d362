// The token of a link to sign in, behind # in the page's address.

import { attempt } from "../remembered.js";

/** The start of a token. `api/services/accounts/links.py` has the same. */
const VERSION = "S1.";

/**
 * Remove the token from the page's address, so that neither the history nor a shared address contains it.
 * @returns {string} the token, which may be damaged; "" if the address has none
 */
export function takeLinkToken() {
  const { hash, pathname, search } = window.location;
  const token = attempt(() => decodeURIComponent(hash.slice(1))) ?? "";
  if (!token.startsWith(VERSION)) return "";
  window.history.replaceState(window.history.state, "", pathname + search);
  return token;
}
