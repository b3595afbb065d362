// The server's clock as the browser estimates it, so that countdowns are right on a computer whose clock is wrong.

// The estimate rests on the last responses only, because the visitor may set the browser's clock at any time.
const SAMPLES_MAX = 8;

/**
 * Estimate the server's clock from the times in its responses.
 *
 * A response's time is the server's time minus the age of the response. The highest difference of the last samples is
 * therefore the nearest to the truth.
 * @param {() => number} localNow the browser's clock, in milliseconds
 */
export function createServerClock(localNow = Date.now) {
  /** @type {number[]} */
  const differences = [];
  return {
    /** @param {string} asOf time in a response (RFC 3339); any other text is ignored */
    observe(asOf) {
      const difference = Date.parse(asOf) - localNow();
      if (Number.isNaN(difference)) return;
      differences.push(difference);
      if (differences.length > SAMPLES_MAX) differences.shift();
    },
    /** Return the server's time in milliseconds, or the browser's before the first response. */
    now: () => localNow() + (differences.length > 0 ? Math.max(...differences) : 0),
  };
}

const clock = createServerClock();

export const observeServerTime = clock.observe;
export const serverNow = clock.now;

/**
 * Return the whole seconds until `time` by the server's clock, and 0 from then on.
 * @param {string} time RFC 3339
 * @param {number} now the server's time, in milliseconds
 */
export const secondsUntil = (time, now = serverNow()) => Math.max(0, Math.ceil((Date.parse(time) - now) / 1000));
