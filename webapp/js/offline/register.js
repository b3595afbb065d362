// Registration of the service worker. Only a browser with valid tickets needs it.

/** The page works without it, so a refusal of the browser changes nothing. */
export function registerWorker() {
  void navigator.serviceWorker?.register("/sw.js").catch(() => {});
}
