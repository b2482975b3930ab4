import assert from 'node:assert/strict';
import { test } from 'node:test';

import { placeOf, readNrrd, writeNrrd } from '../src/nrrd.js';

const GRID = { dimensions: [2, 3, 1], spacing: [2, 3, 4], origin: [1, -2, 3], direction: [1, 0, 0, 0, -1, 0, 0, 0, 1] };

test('what is written is read', async () => {
  const voxels = Uint8Array.from([0, 1, 2, 10, 10, 255]);
  const file = await writeNrrd(voxels, GRID);
  assert.deepEqual(await readNrrd(file), voxels);
  const text = new TextDecoder().decode(await file.arrayBuffer());
  assert.match(text, /\nsizes: 2 3 1\n/);
  assert.deepEqual(await placeOf(file), ['space: left-posterior-superior',
    'space directions: (2,0,0) (0,-3,0) (0,0,4)', 'space origin: (1,-2,3)']);
});

test('where the server said that voxels are, they are written', async () => {
  const place = ['space: right-anterior-superior', 'space origin: (5,5,5)'];
  assert.deepEqual(await placeOf(await writeNrrd(new Uint8Array(6), GRID, place)), place);
});

test('raw files are read', async () => {
  const file = new Blob(['NRRD0004\ntype: unsigned char\nencoding: raw\n\n', Uint8Array.from([10, 10, 3])]);
  assert.deepEqual(await readNrrd(file), Uint8Array.from([10, 10, 3]));
});

test('anything else is refused', async () => {
  await assert.rejects(readNrrd(new Blob(['<html>\n\n'])), /no NRRD/);
});
