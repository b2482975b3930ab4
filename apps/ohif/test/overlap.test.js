import assert from 'node:assert/strict';
import { test } from 'node:test';

import { answered, difference, joined, merged, reversed } from '../src/overlap.js';

const rule = (locked = [], overwrite = false) => ({ locked: new Set(locked), overwrite });
const whole = { dimensions: [6, 1, 1], range: [[0, 6], [0, 1], [0, 1]] };
const after = (map, changes) => {
  const now = map.slice();
  changes.at.forEach((at, n) => { now[at] = changes.after[n]; });
  return Array.from(now);
};
const MAP = Uint8Array.from([0, 1, 1, 2, 3, 0]);
const MASK = [1, 1, 0, 1, 1, 0];

test('an answer takes what is free, frees what it leaves out, and spares others', () => {
  assert.deepEqual(after(MAP, answered(MAP, MASK, 1, whole, rule())), [1, 1, 0, 2, 3, 0]);
});

test('others are overwritten where the reader allows, locked ones never', () => {
  assert.deepEqual(after(MAP, answered(MAP, MASK, 1, whole, rule([3], true))), [1, 1, 0, 1, 3, 0]);
});

test('a locked label neither grows nor shrinks', () => {
  assert.equal(answered(MAP, MASK, 1, whole, rule([1], true)).at.length, 0);
});

test('only the slice that was asked about changes', () => {
  const map = new Uint8Array(8).fill(1), where = { dimensions: [2, 2, 2], range: [[0, 2], [0, 2], [1, 2]] };
  assert.deepEqual(after(map, answered(map, new Uint8Array(8), 1, where, rule())), [1, 1, 1, 1, 0, 0, 0, 0]);
});

test('a proposal fills what is free and takes nothing away', () => {
  assert.deepEqual(after(MAP, merged(MAP, [1, 0, 2, 1, 0, 3], rule())), [1, 1, 1, 2, 3, 3]);
  assert.deepEqual(after(MAP, merged(MAP, [1, 0, 2, 1, 0, 3], rule([3], true))), [1, 1, 2, 1, 3, 0]);
});

test('differences go back, and join', () => {
  const then = Uint8Array.from([0, 2, 1, 2, 0, 0]), last = Uint8Array.from([5, 1, 1, 2, 0, 0]);
  const first = difference(MAP, then), second = difference(then, last);
  assert.deepEqual(after(then, reversed(first)), Array.from(MAP));
  assert.deepEqual(after(MAP, joined(first, second)), Array.from(last));
  assert.deepEqual(Array.from(joined(first, second).at), [4, 0]);
});
