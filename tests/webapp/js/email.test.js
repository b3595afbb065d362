import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { readEmail, recallContact, rememberEmail } from "../../../webapp/js/email.js";
import { sharedArea } from "../../../webapp/js/remembered.js";

beforeEach(() => sharedArea.remove("email"));

test("an address is read without the blanks around it", () => {
  assert.deepEqual(readEmail(" ann@example.org "), { email: "ann@example.org" });
  assert.deepEqual(readEmail("  "), { email: "" });
  assert.deepEqual(readEmail("ann@example.org\nBcc: eve@example.org"), { fault: "email_invalid" });
  assert.deepEqual(readEmail(`${"a".repeat(243)}@example.org`), { fault: "email_invalid" });
});

test("the next purchase has the address of the last one", () => {
  assert.deepEqual(recallContact("de"), {});
  rememberEmail("ann@example.org");
  assert.deepEqual(recallContact("de"), { email: "ann@example.org", locale: "de" });
  rememberEmail();
  assert.deepEqual(recallContact("de"), {});
});

test("a stored text that is no address is ignored", () => {
  sharedArea.set("email", "ann");
  assert.deepEqual(recallContact("en"), {});
});
