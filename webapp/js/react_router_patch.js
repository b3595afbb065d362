// A private interface of React Router: its list of pages with their scripts.
//
// `PrefetchPageLinks` imports the scripts that it loads ahead, and reloads the page if an import fails. A visitor who
// goes offline would lose the page. On an upgrade compare `Route` with the file `manifest-*.js` of the build, run
// `tests/webapp/test_loading_ahead.py`, and change `VERSION`.

/** The release that this module fits; `tests/unit/test_patches.py` compares it with the installed one. */
export const VERSION = "8.4.0";

/**
 * @typedef {object} Route
 * @property {string} [path] for example `event/:slug`; the first page has none
 * @property {string} module address of the page's script
 * @property {string[]} imports addresses of the scripts that the page's script imports
 */

/**
 * Load the scripts of pages that a link may lead to. A failure has no effect: the link then loads them.
 * @param {(path: string) => boolean} isWanted receives the path of a page, "" for the first one
 * @param {"low" | "auto"} [priority]
 */
export function loadAhead(isWanted, priority = "auto") {
  const routes = Object.values(
    /** @type {Record<string, Route>} */ (/** @type {any} */ (window).__reactRouterManifest.routes),
  );
  const wanted = routes.filter(({ path }) => isWanted(path ?? ""));
  for (const href of new Set(wanted.flatMap(({ module, imports }) => [module, ...imports]))) {
    if (document.querySelector(`link[rel=modulepreload][href="${href}"]`)) continue;
    document.head.append(
      Object.assign(document.createElement("link"), { rel: "modulepreload", fetchPriority: priority, href }),
    );
  }
}
