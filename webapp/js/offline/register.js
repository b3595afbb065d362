// Registration of the service worker. Only a browser with valid tickets needs it.

/** The page works without it, so a refusal of the browser changes nothing. */
export async function registerWorker() {
  try {
    await navigator.serviceWorker?.register("/sw.js");
  } catch {
    // A browser that blocks site data throws even when the property is read.
  }
}
