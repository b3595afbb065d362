// The QR code of a ticket.
import { createElement, useEffect, useRef, useState } from "react";

const RETRY_MS = 3_000;
const RETRY_MS_MAX = 60_000;

/**
 * An image that loads again, at growing intervals, after the API was unavailable.
 * @param {{ src: string } & Record<string, unknown>} props
 */
export function TicketCode({ src, ...props }) {
  const [attempt, setAttempt] = useState(0);
  const timer = useRef(0);
  useEffect(() => () => clearTimeout(timer.current), []);
  const onError = () => {
    const delay = Math.min(RETRY_MS * 2 ** attempt, RETRY_MS_MAX);
    timer.current = setTimeout(() => setAttempt(attempt + 1), delay);
  };
  return createElement("img", { ...props, key: attempt, src, onError, decoding: "async" });
}
