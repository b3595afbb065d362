// Geometry of the seat map: positions of seats, the nearest seats, arrow keys. Pure functions.

/** @import { SeatRow } from "../schemas.js" */

/**
 * A seat in the drawing. `line` is the index of its row, `column` its index in the row; `x` and `y` are its centre.
 * @typedef {{ id: number, tier: string, row: string, number: number, line: number, column: number, x: number, y: number }} Seat
 */

/**
 * A row in the drawing, with its name printed at both ends. `tone` is the colour of its tier.
 * @typedef {{ key: string, tier: string, tone: number, name: string, labels: { key: string, x: number, y: number }[], seats: Seat[] }} Row
 */

/**
 * The area of a tier in the drawing; `y` is the position of its name.
 * @typedef {{ name: string, tone: number, y: number }} Section
 */

/**
 * All seats of an event. `middle` is the x coordinate of the stage's centre, `columns` the length of the longest row.
 * @typedef {object} Layout
 * @property {Map<number, Seat>} seats by their tickets' ids
 * @property {Row[]} rows in order from the stage
 * @property {Section[]} sections
 * @property {number} width
 * @property {number} height
 * @property {number} middle
 * @property {number} columns
 */

// All lengths are in the drawing's units.
const PITCH = 28; // between neighbouring seats
const ROW_PITCH = 32; // between rows
const TIER_GAP = 34; // extra space between two tiers
const STAGE = 112; // space for the stage above the first row
const LABEL = 34; // space for a row's name at each end
const ABOVE = 30; // from a tier's name to its first row
const BEND = 0.0005; // curvature of a row around the stage
const TONES = 4; // number of colours that distinguish tiers

/** @type {Layout} */
export const EMPTY_LAYOUT = { seats: new Map(), rows: [], sections: [], width: 0, height: 0, middle: 0, columns: 0 };

/**
 * Assign a position in the drawing to every seat of the API's rows.
 * @param {SeatRow[]} rows
 * @returns {Layout}
 */
export function layOut(rows) {
  if (rows.length === 0) return EMPTY_LAYOUT;
  const columns = Math.max(...rows.map((row) => row.ids.length));
  const width = columns * PITCH + 2 * LABEL;
  /** @param {number} x */
  const bend = (x) => Math.round((x - width / 2) ** 2 * BEND);
  const seats = new Map();
  /** @type {Section[]} */
  const sections = [];
  let y = STAGE;
  const drawn = rows.map((row, index) => {
    if (index > 0) y += row.tier === rows[index - 1].tier ? ROW_PITCH : ROW_PITCH + TIER_GAP;
    if (sections.at(-1)?.name !== row.tier)
      sections.push({ name: row.tier, tone: sections.length % TONES, y: y - ABOVE });
    const start = (width - (row.ids.length - 1) * PITCH) / 2;
    const places = row.ids.map((id, column) => {
      const x = start + column * PITCH;
      const seat = {
        id,
        tier: row.tier,
        row: row.row,
        number: row.numbers[column],
        line: index,
        column,
        x,
        y: y - bend(x),
      };
      seats.set(id, seat);
      return seat;
    });
    const ends = [start - PITCH, start + row.ids.length * PITCH];
    return {
      key: `${row.tier}/${row.row}`,
      tier: row.tier,
      tone: (sections.length - 1) % TONES,
      name: row.row,
      labels: ends.map((x) => ({ key: String(x), x, y: y - bend(x) })),
      seats: places,
    };
  });
  // The ends of a bent row are above its middle, so everything moves down until the highest seat clears the stage.
  const up = Math.max(0, STAGE - Math.min(...[...seats.values()].map((seat) => seat.y)));
  for (const row of drawn) for (const place of [...row.seats, ...row.labels]) place.y += up;
  for (const section of sections) section.y += up;
  return { seats, rows: drawn, sections, width, height: y + up + ROW_PITCH, middle: width / 2, columns };
}

/**
 * Return true if a layout has exactly the seats of the API's rows, under their names.
 * @param {Layout} layout
 * @param {SeatRow[]} rows
 */
export const hasSameSeats = (layout, rows) =>
  layout.rows.length === rows.length &&
  layout.rows.every(({ tier, name, seats }, line) => {
    const { ids, numbers, ...row } = rows[line];
    const isSame = tier === row.tier && name === row.row && seats.length === ids.length;
    return isSame && seats.every(({ id, number }, column) => id === ids[column] && number === numbers[column]);
  });

/**
 * @param {Seat} seat
 * @param {Seat} other
 */
const distance = (seat, other) => Math.hypot(seat.x - other.x, seat.y - other.y);

/**
 * Return the free seats of the same tier that are nearest to `seat`, the nearest first.
 * @param {Layout} layout
 * @param {Seat} seat
 * @param {(id: number) => boolean} isFree
 * @param {number} count
 */
export function nearestSeats(layout, seat, isFree, count = 1) {
  return [...layout.seats.values()]
    .filter((other) => other.tier === seat.tier && other.id !== seat.id && isFree(other.id))
    .sort((a, b) => distance(a, seat) - distance(b, seat))
    .slice(0, count);
}

/**
 * Return the seat that an arrow key, Home or End leads to from `seat`, or undefined for any other key and at an edge.
 * @param {Layout} layout
 * @param {Seat} seat
 * @param {string} key `KeyboardEvent.key`
 * @returns {Seat | undefined}
 */
export function neighbour(layout, seat, key) {
  const row = layout.rows[seat.line].seats;
  /** @param {number} line */
  const lineAt = (line) =>
    layout.rows[line]?.seats.toSorted((a, b) => Math.abs(a.x - seat.x) - Math.abs(b.x - seat.x))[0];
  switch (key) {
    case "ArrowLeft":
      return row[seat.column - 1];
    case "ArrowRight":
      return row[seat.column + 1];
    case "ArrowUp":
      return lineAt(seat.line - 1);
    case "ArrowDown":
      return lineAt(seat.line + 1);
    case "Home":
      return row[0];
    case "End":
      return row.at(-1);
    default:
      return undefined;
  }
}
