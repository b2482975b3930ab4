import assert from 'node:assert/strict';
import { test } from 'node:test';

import { phaseOf } from '../src/phases.js';

test('an answer about an image in time names its phase', () => {
  assert.equal(phaseOf({ phase: 3, phases: 10 }), ', phase 3 (0 to 9)');
  assert.equal(phaseOf({ phase: 0, phases: 10 }), ', phase 0 (0 to 9)');
});

test('an image without phases names none', () => {
  assert.equal(phaseOf({ voxels: 12, score: 0.9 }), '');
});
