// The search for the best seats beside the ones that the visitor has picked.
import { findBest } from "../booking_api.js";

/**
 * Return the best free seats of a tier without the picked ones; none if there are too few or the API does not respond.
 * @param {string} event slug of the event
 * @param {string} tier
 * @param {number} quantity
 * @param {number[]} picked seats of the tier that are free for the API and picked by the visitor
 * @param {typeof findBest} find
 * @returns {Promise<number[]>}
 */
export async function searchSeats(event, tier, quantity, picked, find = findBest) {
  const isOther = (/** @type {number} */ id) => !picked.includes(id);
  const { choices = [] } = await find(event, tier, quantity);
  const seats = choices.map(({ ticketIds }) => ticketIds).find((ticketIds) => ticketIds.every(isOther));
  if (seats || choices.length === 0) return seats ?? [];
  // Each choice contains a picked seat. A larger group has enough other seats, beside the picked ones if possible.
  const { choices: [group] = [] } = await find(event, tier, quantity + picked.length);
  return group?.ticketIds.filter(isOther).slice(0, quantity) ?? [];
}
