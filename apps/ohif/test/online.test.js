import assert from 'node:assert/strict';
import { test } from 'node:test';

import { learnedLine } from '../src/online.js';

const learned = { online: 'aux', for: 'team', on: true, labels: [{ label: 'liver', weight: 0.35, taught: 12, queue: 12 },
  { label: 'spleen', weight: 0, taught: 3, queue: 3 }] };

test('what was learned about a label has a weight', () => {
  assert.equal(learnedLine(learned, 'liver'), 'learns as you go: weight 0.35 for liver');
});

test('until five objects were seen it only looks on', () => {
  assert.equal(learnedLine(learned, 'spleen'), 'learns as you go: 3 of 5 objects seen for spleen');
  assert.equal(learnedLine(learned), 'learns as you go: 0 of 5 objects seen');
});

test('switched off by a reader, or never on', () => {
  assert.equal(learnedLine({ ...learned, on: false }, 'liver'), 'learns as you go: off');
  assert.equal(learnedLine({ ...learned, online: 'off' }, 'liver'), '');
  assert.equal(learnedLine(null), '');
});
