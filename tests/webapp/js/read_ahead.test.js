import assert from "node:assert/strict";
import { test } from "node:test";

import { HttpError } from "../../../webapp/js/http.js";
import { read, readAhead } from "../../../webapp/js/read_ahead.js";

/**
 * Let `fetch` give these responses in turn, and return the number of its calls.
 * @param {import("node:test").TestContext} context
 * @param {...(() => Response)} responses
 */
function fakeFetch(context, ...responses) {
  const fetched = context.mock.method(globalThis, "fetch", async () => {
    const respond = responses.shift();
    assert.ok(respond, "no further request is expected");
    return respond();
  });
  return () => fetched.mock.callCount();
}

const fail = () => {
  throw new DOMException("timeout", "TimeoutError");
};
/** @param {number} count */
const respond = (count) => () => Response.json({ count });

test("the first read uses the early response, and later reads do not", async (context) => {
  const requests = fakeFetch(context, respond(1), respond(2));
  readAhead("/a");
  assert.equal(requests(), 1);
  assert.deepEqual((await read("/a")).body, { count: 1 });
  assert.equal(requests(), 1);
  assert.deepEqual((await read("/a")).body, { count: 2 });
});

test("a failed early request starts a new one", async (context) => {
  const requests = fakeFetch(context, fail, respond(2));
  readAhead("/b");
  // The early request fails before the page is drawn.
  await new Promise(setImmediate);
  assert.deepEqual((await read("/b")).body, { count: 2 });
  assert.equal(requests(), 2);
});

test("an early request that fails during the page's read starts a new one", async (context) => {
  fakeFetch(context, fail, respond(2));
  readAhead("/c");
  assert.deepEqual((await read("/c")).body, { count: 2 });
});

for (const status of [404, 429, 503]) {
  test(`an early response with status ${status} starts no new request`, async (context) => {
    const requests = fakeFetch(context, () => new Response("", { status }));
    readAhead("/refused");
    await assert.rejects(read("/refused"), (error) => error instanceof HttpError && error.status === status);
    assert.equal(requests(), 1);
  });
}

test("the page's own request reports its error", async (context) => {
  fakeFetch(context, fail, () => new Response("", { status: 503 }));
  readAhead("/d");
  await assert.rejects(read("/d"), (error) => error instanceof HttpError && error.status === 503);
});

test("another resource is not affected by an early response", async (context) => {
  fakeFetch(context, respond(1), respond(2));
  readAhead("/e");
  assert.deepEqual((await read("/f")).body, { count: 2 });
});
