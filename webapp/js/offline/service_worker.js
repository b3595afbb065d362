// The service worker: it opens the page of an order without a network. `webapp/prerendered.py` fills in the build. The
// page itself keeps the order (`kept_orders.js`), so that the worker handles files only.

/** @type {{ version: string, files: string[] }} `version` changes with the content of the files */
const BUILD = { version: "", files: [] };

const CACHE = `build-${BUILD.version}`;
const FILES = new Set(BUILD.files);
/** One file is the page of every order. */
const PAGE = "/booking/_/index.html";
const PAGE_ADDRESS = /^\/booking\/[^/]+\/?$/;
// Crowded networks accept requests that never get a response.
const RESPONSE_WITHIN_MS = 4_000;

// The type checker knows the scope of pages only.
const worker = /** @type {any} */ (self);

worker.addEventListener("install", (/** @type {any} */ event) => {
  worker.skipWaiting();
  event.waitUntil(store());
});

worker.addEventListener("activate", (/** @type {any} */ event) => event.waitUntil(dropOtherBuilds()));

worker.addEventListener("fetch", (/** @type {any} */ event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== location.origin) return;
  if (request.mode === "navigate") {
    if (PAGE_ADDRESS.test(pathname)) event.respondWith(openPage(request));
  } else if (FILES.has(pathname)) event.respondWith(openFile(request));
});

async function store() {
  const cache = await caches.open(CACHE);
  await cache.addAll(BUILD.files.map((file) => new Request(file, { cache: "no-cache" })));
}

async function dropOtherBuilds() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name)));
}

/**
 * Return the page from the server, so that nobody sees an old build, or the stored page without a network.
 * @param {Request} request
 */
async function openPage(request) {
  // A file server without `Cache-Control` leaves the age of a page to the browser.
  const requested = fetch(request, { cache: "no-cache" }).then((response) => {
    if (response.status >= 500) throw new TypeError(`The web server responds with ${response.status}`);
    return response;
  });
  const late = new Promise((resolve) => setTimeout(resolve, RESPONSE_WITHIN_MS));
  const response = await Promise.race([requested, late]).catch(() => undefined);
  return response ?? (await stored(PAGE)) ?? requested;
}

/**
 * Return a file, whose content is the same under the same build.
 * @param {Request} request
 */
const openFile = async (request) => (await stored(request)) ?? fetch(request);

/** @param {Request | string} file */
const stored = async (file) => (await caches.open(CACHE)).match(file);
