// The documents of an order: the QR codes of its tickets, the tickets as PDF, and its calendar file. A URL would reveal
// the order's secret in logs, so the page sends the secret in a header and shows the response itself.
import { createElement, useEffect, useState } from "react";
import { request } from "../http.js";
import { currentLanguage } from "../language.js";
import { keepCode, keptCode } from "../offline/kept_orders.js";

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
export const savePrinted = (path) => saveDocument(`${path}?locale=${currentLanguage()}`);

/**
 * Download a document under the name that the API gives. The page already shows a notice while the API is away.
 * @param {string} path
 */
export async function saveDocument(path) {
  const response = await request(path).catch(() => null);
  if (!response) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await response.blob());
  link.download = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition") ?? "")?.[1] ?? "concert";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), READ_WITHIN_MS);
}
