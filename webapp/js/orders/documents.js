// The documents of an order: the QR codes of its tickets, the tickets as PDF, and its calendar file. A URL would reveal
// the order's secret in logs, so the page sends the secret in a header and shows the response itself.
import { createElement, useEffect, useState } from "react";
import { useStore } from "../hooks.js";
import { request } from "../http.js";
import { currentLanguage } from "../language.js";
import { keepCode, keptCode } from "../offline/kept_orders.js";
import { createStore } from "../store.js";

const RETRY_MS = 3_000;
const RETRY_MS_MAX = 60_000;
// Safari reads a downloaded file some time after the click.
const READ_WITHIN_MS = 40_000;

/**
 * An image that loads again, at growing intervals, after the API was unavailable. The kept one shows at once.
 * @param {{ path: string } & Record<string, unknown>} props
 */
export function TicketCode({ path, ...props }) {
  const [image, setImage] = useState(() => dataUrl(keptCode(path)));
  useEffect(() => {
    let timer = 0;
    let isShown = true;
    const load = async (attempt = 0) => {
      try {
        const svg = await (await request(path)).text();
        keepCode(path, svg);
        if (isShown) setImage(dataUrl(svg));
      } catch {
        const delay = Math.min(RETRY_MS * 2 ** attempt, RETRY_MS_MAX);
        if (isShown) timer = setTimeout(() => load(attempt + 1), delay);
      }
    };
    void load();
    return () => {
      isShown = false;
      clearTimeout(timer);
    };
  }, [path]);
  return createElement("img", { ...props, ...(image ? { src: image } : {}), decoding: "async" });
}

/** @param {string | null} svg null: none is known */
const dataUrl = (svg) => (svg === null ? "" : `data:image/svg+xml,${encodeURIComponent(svg)}`);

/**
 * Download the tickets as PDF, in the language of the page.
 * @param {string} path
 */
export const savePrinted = (path) => saveDocument(path, `?locale=${currentLanguage()}`);

/** The path of the document that could not be loaded, until the next attempt; "" for none. */
const failed = createStore("");

/** Draw a component from the outcome of the last download. */
export const useDownload = () => ({ failed: useStore(failed) });

/**
 * Download a document under the name that the API gives.
 * @param {string} path
 * @param {string} [query]
 */
export async function saveDocument(path, query = "") {
  failed.set("");
  try {
    const response = await request(path + query);
    offer(await response.blob(), response.headers.get("Content-Disposition") ?? "");
  } catch {
    failed.set(path);
  }
}

/**
 * @param {Blob} file
 * @param {string} disposition the header with the file's name
 */
function offer(file, disposition) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = /filename="([^"]+)"/.exec(disposition)?.[1] ?? "concert";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), READ_WITHIN_MS);
}
