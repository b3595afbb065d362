import assert from "node:assert/strict";
import { test } from "node:test";

import { keepReturnPath, takeReturnPath } from "../../../../webapp/js/account/return_path.js";

test("a sign-in leads to the staff page that has led to it, once", () => {
  keepReturnPath("?to=/staff/people", false);
  assert.deepEqual([takeReturnPath(), takeReturnPath()], ["/staff/people", null]);
});

test("the link of an e-mail, which opens another page, keeps the path", () => {
  keepReturnPath("?to=/staff", false);
  keepReturnPath("", true);
  assert.equal(takeReturnPath(), "/staff");
});

test("a later visit of a buyer forgets the path", () => {
  keepReturnPath("?to=/staff", false);
  keepReturnPath("", false);
  assert.equal(takeReturnPath(), null);
});

for (const path of ["//evil.example", "https://evil.example", "/staff/../x", "/staffroom", "/staff//evil.example", "/"])
  test(`no sign-in leads to ${path}`, () => {
    keepReturnPath(`?to=${encodeURIComponent(path)}`, false);
    assert.equal(takeReturnPath(), null);
  });
