// The page to which a sign-in leads. A staff page names itself in the address of the page that signs in. The link of an
// e-mail opens another page, so the browser keeps the path until the sign-in.

import { sharedArea } from "../remembered.js";

const KEPT_AS = "return-path";
/** The staff pages. A sign-in leads to no other address, whoever has made the link to the page. */
const ALLOWED = /^\/staff(?:\/[a-z-]+)*$/;

/**
 * Keep the path of the staff page that has led to this page. A visit without one forgets it, unless a link has opened it.
 * @param {string} search the query of the page's address
 * @param {boolean} hasLink
 */
export function keepReturnPath(search, hasLink) {
  const path = new URLSearchParams(search).get("to") ?? "";
  if (ALLOWED.test(path)) sharedArea.set(KEPT_AS, path);
  else if (!hasLink) sharedArea.remove(KEPT_AS);
}

/** Return the kept path, and forget it; null if there is none. */
export function takeReturnPath() {
  const path = sharedArea.get(KEPT_AS) ?? "";
  sharedArea.remove(KEPT_AS);
  return ALLOWED.test(path) ? path : null;
}
