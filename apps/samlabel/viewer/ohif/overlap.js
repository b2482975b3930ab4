// The overlap rule: which voxels of an answer change the label map. Knows no viewer and no server.

/** @typedef {{at: Uint32Array, before: Uint8Array, after: Uint8Array}} Changes */
/** @typedef {[number, number][]} Range first and one past the last index, per axis */
/**
 * @typedef {object} Rule
 * @property {Set<number>} locked values that nothing takes voxels from, nor gives any to
 * @property {boolean} overwrite whether an answer takes voxels from other labels that are not locked
 */

/** @type {Changes} */
export const NOTHING = { at: new Uint32Array(), before: new Uint8Array(), after: new Uint8Array() };

/** Collects changes in order. */
function collector() {
  /** @type {number[]} */ const at = [];
  /** @type {number[]} */ const before = [];
  /** @type {number[]} */ const after = [];
  return {
    /** @param {number} n @param {number} old @param {number} now */
    add(n, old, now) { at.push(n); before.push(old); after.push(now); },
    done: () => ({ at: Uint32Array.from(at), before: Uint8Array.from(before), after: Uint8Array.from(after) }),
  };
}

/**
 * What one label's answer changes. Inside `range` the label becomes what the answer says: voxels that it leaves out are
 * freed, voxels of others are taken only where the rule allows.
 * @param {Uint8Array} map i fastest
 * @param {ArrayLike<number>} mask zero where the answer says no
 * @param {number} value the label's
 * @param {{dimensions: number[], range: Range}} where
 * @param {Rule} rule
 * @returns {Changes}
 */
export function answered(map, mask, value, { dimensions, range }, rule) {
  if (rule.locked.has(value)) return NOTHING;
  return within(dimensions, range, map, (at, before) => {
    if (!mask[at]) return before === value ? 0 : before;
    return before === 0 || (rule.overwrite && !rule.locked.has(before)) ? value : before;
  });
}

/**
 * What a map of several labels changes; a value of 0 in it changes nothing.
 * @param {Uint8Array} map @param {ArrayLike<number>} proposed our values, same order
 * @param {Rule} rule @returns {Changes}
 */
export function merged(map, proposed, rule) {
  const found = collector();
  for (let at = 0; at < map.length; at++) {
    const value = proposed[at], before = map[at];
    if (!value || value === before || rule.locked.has(value)) continue;
    if (before === 0 || (rule.overwrite && !rule.locked.has(before))) found.add(at, before, value);
  }
  return found.done();
}

/** The difference of two maps. @param {ArrayLike<number>} old @param {ArrayLike<number>} now @returns {Changes} */
export function difference(old, now) {
  const found = collector();
  for (let at = 0; at < now.length; at++) if (old[at] !== now[at]) found.add(at, old[at], now[at]);
  return found.done();
}

/** @param {Changes} changes @returns {Changes} */
export const reversed = ({ at, before, after }) => ({ at, before: after, after: before });

/** Two steps, one after the other, as one. @param {Changes} first @param {Changes} then @returns {Changes} */
export function joined(first, then) {
  /** @type {Map<number, [number, number]>} */
  const all = new Map();
  for (const { at, before, after } of [first, then]) {
    at.forEach((place, n) => all.set(place, [all.get(place)?.[0] ?? before[n], after[n]]));
  }
  const found = collector();
  for (const [place, [old, now]] of all) if (old !== now) found.add(place, old, now);
  return found.done();
}

/** @param {number[]} dimensions @param {Range} range @param {Uint8Array} map
 * @param {(at: number, before: number) => number} rule */
function within([ni, nj], [[i0, i1], [j0, j1], [k0, k1]], map, rule) {
  const found = collector();
  for (let k = k0; k < k1; k++) {
    for (let j = j0; j < j1; j++) {
      for (let at = i0 + ni * (j + nj * k), end = at + i1 - i0; at < end; at++) {
        const before = map[at], after = rule(at, before);
        if (before !== after) found.add(at, before, after);
      }
    }
  }
  return found.done();
}
