// The address of the account that this browser is signed in to. The browser keeps it for pages; the session is a cookie.

import { sharedArea } from "../remembered.js";

/** The name of the address in the browser's storage. A guest has none, and sends no request for an account. */
export const ACCOUNT_KEPT_AS = "account";

/** Return the address of the account that this browser is signed in to, or "" for a guest. */
export const signedInAs = () => sharedArea.get(ACCOUNT_KEPT_AS) ?? "";
