// Zoom levels of the seat map. Pure functions.

/** @import { EventState } from "./state.js" */

// At the first level a seat is as large as a finger needs. On a narrow screen there is a level below it: the whole
// house.
const ZOOM_LEVELS = [1, 1.4, 2, 2.8];
const WHOLE = -1;

/** @param {Pick<EventState, "fit">} state */
const lowest = ({ fit }) => (fit < 1 ? WHOLE : 0);

/**
 * Return the zoom after a number of steps.
 * @param {Pick<EventState, "fit" | "zoom">} state
 * @param {number} steps positive: closer
 */
export const zoomBy = (state, steps) => Math.max(lowest(state), Math.min(state.zoom + steps, ZOOM_LEVELS.length - 1));

/**
 * Derive the scale of the drawing (0: the whole map) and whether the zoom is at one of its ends.
 * @param {Pick<EventState, "fit" | "zoom">} state
 */
export const deriveZoom = (state) => ({
  zoom: ZOOM_LEVELS[state.zoom] ?? 0,
  widest: state.zoom >= ZOOM_LEVELS.length - 1,
  whole: state.zoom <= lowest(state),
});
