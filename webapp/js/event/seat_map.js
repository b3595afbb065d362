// The seat map's components: a scrolling frame, the drawing in it, its seats, and the same seats as check boxes.
import { createElement, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";

import { changeZoom, pick } from "./actions.js";
import { createPinch } from "./pinch.js";
import { neighbour } from "./seating.js";
import { getState, update, useEventView, useSeat } from "./store.js";

/** @import { KeyboardEvent, ReactNode, SyntheticEvent } from "react" */

// Hundreds of seats are drawn only when they are nearly visible, so that they do not delay the page.
const DRAWN_WITHIN = "200px";
// Sizes in pixels. A seat is never smaller than a finger needs, except where the whole map is visible.
const FINGER = 25;
const MARGINS = 64;

/** @param {number} columns */
const widthMin = (columns) => columns * FINGER + MARGINS;

/**
 * Return the SVG path of the stage's outline, which is bent like the rows.
 * @param {number} width
 */
export const stagePath = (width) =>
  `M ${width * 0.2} 16 Q ${width / 2} 32 ${width * 0.8} 16 L ${width * 0.76} 54 Q ${width / 2} 70 ${width * 0.24} 54 Z`;

/** @param {SyntheticEvent} event */
function seatAt({ target }) {
  const element = target instanceof Element ? target.closest("[data-seat]") : null;
  return element instanceof SVGElement ? Number(element.dataset.seat) : 0;
}

/**
 * The frame around the drawing, which scrolls and receives mouse, touch and keyboard events of all seats.
 *
 * It draws its children once it is near the screen or a key is used, with the stage in the middle.
 * @param {{ children: ReactNode }} props
 */
export function SeatPlan({ children, ...props }) {
  const frame = useRef(/** @type {HTMLDivElement | null} */ (null));
  const [isDrawn, setDrawn] = useState(false);
  const pinch = useMemo(() => createPinch(changeZoom), []);
  useEffect(() => {
    const draw = () => setDrawn(true);
    // A busy page gets several entries at once, and only a later one may be near the screen.
    const observer = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && draw(), {
      rootMargin: DRAWN_WITHIN,
    });
    if (frame.current) observer.observe(frame.current);
    // The Tab key can reach the seats before the visitor scrolls there.
    window.addEventListener("keydown", draw, { once: true });
    return () => {
      observer.disconnect();
      window.removeEventListener("keydown", draw);
    };
  }, []);
  useEffect(() => {
    // Reading a width forces the layout of the whole page, so this waits for the seats.
    if (!isDrawn || !frame.current) return;
    frame.current.scrollLeft = (frame.current.scrollWidth - frame.current.clientWidth) / 2;
  }, [isDrawn]);
  /** @param {KeyboardEvent} event */
  const onKeyDown = (event) => {
    const { layout } = getState();
    const seat = layout.seats.get(seatAt(event));
    if (!seat) return;
    if (event.key === " " || event.key === "Enter") pick(seat.id);
    else {
      const next = neighbour(layout, seat, event.key);
      if (!next) return;
      update({ focused: next.id });
      const element = frame.current?.querySelector(`[data-seat="${next.id}"]`);
      if (element instanceof SVGElement) element.focus();
    }
    event.preventDefault();
  };
  return createElement(
    "div",
    {
      ...props,
      ref: frame,
      onClick: (event) => pick(seatAt(event)),
      onKeyDown,
      onTouchMove: (event) => pinch.move(event.touches),
      onTouchEnd: pinch.end,
    },
    isDrawn ? children : null,
  );
}

/**
 * The drawing. It zooms by its size alone, without drawing its seats again, and keeps its centre in place.
 * @param {{ columns: number, tall: number, children: ReactNode }} props `tall` is its height in the drawing's units
 */
export function Drawing({ columns, tall, children, ...props }) {
  const zoom = useEventView("zoom");
  const drawing = useRef(/** @type {SVGSVGElement | null} */ (null));
  const scale = zoom || getState().fit;
  const lastScale = useRef(scale);
  useLayoutEffect(() => {
    const frame = drawing.current?.parentElement;
    if (!frame) return;
    const growth = scale / lastScale.current;
    const [across, down] = [frame.clientWidth / 2, frame.clientHeight / 2];
    frame.scrollTo((frame.scrollLeft + across) * growth - across, (frame.scrollTop + down) * growth - down);
    lastScale.current = scale;
  }, [scale]);
  useEffect(() => {
    const frame = drawing.current?.parentElement;
    if (!frame) return;
    const observer = new ResizeObserver(() => update({ fit: Math.min(1, frame.clientWidth / widthMin(columns)) }));
    observer.observe(frame);
    return () => observer.disconnect();
  }, [columns]);
  const style = { "--narrowest": `${widthMin(columns)}px`, "--tall": tall, "--zoom": zoom || 1 };
  return createElement(
    "svg",
    { ...props, ref: drawing, className: "house", "data-whole": zoom === 0, style },
    children,
  );
}

/**
 * The group of shapes that draws a seat. `label` returns its name for a state.
 * @param {{ seat: number, label: (state: string) => string, children: ReactNode }} props
 */
export function SeatShape({ seat, label, children, ...props }) {
  const { state, tabIndex } = useSeat(seat);
  return createElement(
    "g",
    {
      ...props,
      className: "seat",
      role: "checkbox",
      tabIndex,
      "aria-label": label(state),
      "aria-checked": state === "mine",
      "aria-disabled": state === "held" || state === "sold",
      "data-seat": seat,
      "data-state": state,
    },
    children,
  );
}

/**
 * A seat's check box in the list.
 * @param {{ seat: number, number: number }} props `number` is the number on the chair
 */
export function SeatBox({ seat, number }) {
  const { state } = useSeat(seat);
  const box = createElement("input", {
    type: "checkbox",
    checked: state === "mine",
    disabled: state === "held" || state === "sold",
    onChange: () => pick(seat),
  });
  return createElement("label", { className: "seat-box" }, box, number);
}
