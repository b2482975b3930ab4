import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Work, colorOf } from '../src/state.js';

const GRID = { dimensions: [4, 4, 2], spacing: [10, 10, 10], origin: [0, 0, 0], direction: [1, 0, 0, 0, 1, 0, 0, 0, 1] };
const point = (id, label = 'liver') => ({ id, label, kind: 'point', sign: 1, plane: 'axial', slice: 0, voxels: [[0, 0, 0]] });

function begun() {
  const shown = new Uint8Array(32);
  const work = new Work(GRID, ['liver', 'spleen'], ({ at, after }) => at.forEach((place, n) => { shown[place] = after[n]; }));
  return { work, shown };
}
const mask = (...places) => { const all = new Uint8Array(32); places.forEach((place) => { all[place] = 1; }); return all; };

test('a prompt and its answer are one step; undo and redo go both ways', () => {
  const { work, shown } = begun();
  work.place(point('a'));
  work.answer('liver', mask(0, 1), { axis: 'k', slice: 0 }, ['a']);
  work.place(point('b'));
  work.answer('liver', mask(0, 1, 2), { axis: 'k', slice: 0 }, ['a', 'b']);
  assert.deepEqual([work.counts[1], work.volumeMl('liver')], [3, 3]);
  assert.equal(work.undo(), 'the point of liver');
  assert.deepEqual([work.counts[1], work.prompts.length, shown[2]], [2, 1, 0]);
  work.undo();
  assert.ok(work.empty && !shown.some(Boolean));
  assert.equal(work.undo(), '');
  work.redo();
  work.redo();
  assert.deepEqual([work.counts[1], work.prompts.length, shown[2]], [3, 2, 1]);
});

test('an answer that was asked for again is a step of its own', () => {
  const { work } = begun();
  work.place(point('a'));
  work.answer('liver', mask(0), { axis: 'k', slice: 0 }, ['a']);
  work.answer('liver', mask(0, 4), { axis: 'k', slice: 0 }, ['a']);
  assert.equal(work.undo(), 'the answer for liver');
  assert.equal(work.counts[1], 1);
});

test('what the brush painted is a step, and is not written again', () => {
  const { work, shown } = begun();
  assert.equal(work.painted(mask()), false);
  shown[7] = 1;
  assert.ok(work.painted(mask(7)));
  work.undo();
  assert.equal(shown[7], 0);
});

test('how it came about', () => {
  const { work } = begun();
  work.painted(mask(7));
  assert.equal(work.algorithmType, 'MANUAL');
  work.place(point('a'));
  assert.equal(work.algorithmType, 'SEMIAUTOMATIC');
  const other = begun().work;
  other.take(mask(3), 'all', { liver: { mode: 'grid' } });
  assert.equal(other.algorithmType, 'AUTOMATIC');
  other.painted(mask(3, 4));
  assert.equal(other.algorithmType, 'SEMIAUTOMATIC');
});

test('colours differ', () => {
  const all = Array.from({ length: 30 }, (_, n) => colorOf(n + 1).join());
  assert.equal(new Set(all).size, 30);
});
