// Where the seats of a house are drawn, and which of them go together. Nothing here knows of the page.

const PITCH = 28; // from one seat to the next, in the drawing's units
const ROW_PITCH = 32;
const TIER_GAP = 34;
const STAGE = 112; // room for the stage above the first row
const LABEL = 34; // room for a row's name at each end
const BEND = 0.0005; // how much a row bends around the stage
const ABOVE = 30; // of a tier's first row its name
const TONES = 4; // colours that tell tiers apart
// A row further back costs as much as this many seats further to the side.
const ROW_COST = 2.5;

export const NO_HOUSE = { seats: new Map(), rows: [], tiers: [], width: 0, height: 0, middle: 0, columns: 0 };

// The rows as the API tells them become seats with places in the drawing.
export function draw(rows) {
  if (rows.length === 0) return NO_HOUSE;
  const columns = Math.max(...rows.map((row) => row.ids.length));
  const width = columns * PITCH + 2 * LABEL;
  const bend = (x) => Math.round((x - width / 2) ** 2 * BEND);
  const seats = new Map();
  const tiers = [];
  let y = STAGE;
  const drawn = rows.map((row, index) => {
    if (index > 0) y += row.tier === rows[index - 1].tier ? ROW_PITCH : ROW_PITCH + TIER_GAP;
    if (tiers.at(-1)?.name !== row.tier) tiers.push({ name: row.tier, tone: tiers.length % TONES, y: y - ABOVE });
    const start = (width - (row.ids.length - 1) * PITCH) / 2;
    const places = row.ids.map((id, column) => {
      const x = start + column * PITCH;
      const seat = { id, tier: row.tier, row: row.row, number: row.numbers[column], line: index, column, x, y: y - bend(x) };
      seats.set(id, seat);
      return seat;
    });
    const ends = [start - PITCH, start + row.ids.length * PITCH];
    return {
      key: `${row.tier}/${row.row}`,
      tier: row.tier,
      tone: tiers.at(-1).tone,
      name: row.row,
      labels: ends.map((x) => ({ key: String(x), x, y: y - bend(x) })),
      seats: places,
    };
  });
  // Bent rows reach above their middle: everything is moved down by the highest one.
  const up = Math.max(0, STAGE - Math.min(...[...seats.values()].map((seat) => seat.y)));
  for (const row of drawn) for (const place of [...row.seats, ...row.labels]) place.y += up;
  for (const tier of tiers) tier.y += up;
  return { seats, rows: drawn, tiers, width, height: y + up + ROW_PITCH, middle: width / 2, columns };
}

// Whether a house has these very seats.
export const isDrawnOf = (house, rows) =>
  house.rows.length === rows.length &&
  house.rows.every(({ seats }, line) => {
    const { ids } = rows[line];
    return seats.length === ids.length && seats.every((seat, column) => seat.id === ids[column]);
  });

const adjacent = (left, right) => left.line === right.line && Math.abs(left.number - right.number) === 1;

const distance = (seat, other) => Math.hypot(seat.x - other.x, seat.y - other.y);

// The free seats of a tier that are nearest to a place, the nearest first.
export function nearest(house, seat, isFree, count = 1) {
  return [...house.seats.values()]
    .filter((other) => other.tier === seat.tier && other.id !== seat.id && isFree(other.id))
    .sort((a, b) => distance(a, seat) - distance(b, seat))
    .slice(0, count);
}

// So many free neighbours, as near to the stage and its middle as there are; without any the best apart.
export function bestAvailable(house, tier, count, isFree) {
  const cost = (seat) => seat.line * ROW_COST * PITCH + Math.abs(seat.x - house.width / 2);
  const free = [];
  let best = null;
  for (const row of house.rows.filter((each) => each.tier === tier)) {
    let run = [];
    for (const seat of row.seats) {
      if (!isFree(seat.id)) {
        run = [];
        continue;
      }
      free.push(seat);
      run = run.length > 0 && adjacent(run.at(-1), seat) ? [...run.slice(1 - count), seat] : [seat];
      if (count === 1) run = [seat];
      if (run.length < count) continue;
      const sum = run.reduce((total, each) => total + cost(each), 0);
      if (!best || sum < best.sum) best = { sum, seats: run };
    }
  }
  if (best) return best.seats;
  return free.sort((a, b) => cost(a) - cost(b)).slice(0, count);
}

// Where an arrow key leads from a seat: along its row, or to the row before or behind.
export function step(house, seat, key) {
  const row = house.rows[seat.line].seats;
  const lineAt = (line) => house.rows[line]?.seats.toSorted((a, b) => Math.abs(a.x - seat.x) - Math.abs(b.x - seat.x))[0];
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
