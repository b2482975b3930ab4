// What the panel says of a server that learns as it goes.

/** @typedef {{label: string, weight: number, taught: number, queue: number}} LearnedLabel */
/** @typedef {{online: string, for: string, on: boolean, labels: LearnedLabel[]}} Learned */

const ENOUGH = 5; // labels before what was learned has a say

/** One line; empty where the server does not learn as it goes.
 * @param {Learned | null | undefined} learned @param {string} [label] the one that is being drawn @returns {string} */
export function learnedLine(learned, label) {
  if (learned?.online !== 'aux') return '';
  if (!learned.on) return 'learns as you go: off';
  const known = learned.labels.find((one) => one.label === label) ?? { weight: 0, taught: 0 };
  const of = label ? ` for ${label}` : '';
  if (known.taught < ENOUGH) return `learns as you go: ${known.taught} of ${ENOUGH} objects seen${of}`;
  return `learns as you go: weight ${known.weight.toFixed(2)}${of}`;
}
