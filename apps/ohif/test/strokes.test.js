import assert from 'node:assert/strict';
import { test } from 'node:test';

import { axisOf, clamped, indexOf, inside, line, planeOf } from '../src/geometry.js';
import { painted, params, promptOf, together } from '../src/strokes.js';

const AXIAL = { dimensions: [20, 30, 10], spacing: [1, 1, 3], origin: [0, 0, 0], direction: [1, 0, 0, 0, 1, 0, 0, 0, 1] };
const SAGITTAL = { ...AXIAL, direction: [0, 1, 0, 0, 0, -1, -1, 0, 0] };
const what = (kind, sign = 1, plane = 'axial') => ({ id: 'a', label: 'liver', kind, sign, plane });

test('the axis across a plane follows the direction of the grid', () => {
  assert.deepEqual(['sagittal', 'coronal', 'axial'].map((plane) => axisOf(AXIAL, plane)), [0, 1, 2]);
  assert.deepEqual(['sagittal', 'coronal', 'axial'].map((plane) => axisOf(SAGITTAL, plane)), [2, 0, 1]);
  const oblique = { ...AXIAL, direction: [0.97, 0.2, 0.1, -0.2, 0.95, 0.2, -0.05, -0.22, 0.97] };
  assert.equal(axisOf(oblique, 'coronal'), 1);
});

test('a normal names its plane', () => {
  assert.equal(planeOf([0, 0, -1]), 'axial');
  assert.equal(planeOf([0.9, 0.3, 0.1]), 'sagittal');
  assert.equal(planeOf(new Float32Array([0.1, -1, 0])), 'coronal');
});

test('voxels are rounded, kept inside and counted with i fastest', () => {
  assert.deepEqual(clamped(AXIAL, [-3, 29.6, 4.4]), [0, 29, 4]);
  assert.ok(inside(AXIAL, [19.4, 0, 0]) && !inside(AXIAL, [19.6, 0, 0]));
  assert.equal(indexOf(AXIAL, [1, 2, 3]), 1 + 20 * (2 + 30 * 3));
});

test('a line has no gap', () => {
  const way = line([0, 0, 0], [4, 2, 0]);
  assert.equal(way.length, 5);
  assert.deepEqual([way[0], way[4]], [[0, 0, 0], [4, 2, 0]]);
});

test('a click is a point on its slice', () => {
  const prompt = promptOf(AXIAL, what('point', -1), [[3.4, 5.6, 7.2], [3.6, 5.6, 7.2]]);
  assert.deepEqual([prompt.voxels, prompt.slice], [[[3, 6, 7]], 7]);
  assert.deepEqual(params(AXIAL, [prompt]), { foreground: [], background: [[3, 6, 7]], order: [0] });
});

test('the order says how the two lists of points alternated', () => {
  const at = (sign, i) => promptOf(AXIAL, what('point', sign), [[i, 5, 7]]);
  const { foreground, background, order } = params(AXIAL, [at(1, 1), at(-1, 2), at(1, 3)]);
  assert.deepEqual([foreground, background, order], [[[1, 5, 7], [3, 5, 7]], [[2, 5, 7]], [1, 0, 1]]);
});

test('a box is its corners in any order, and none without a size', () => {
  const prompt = promptOf(AXIAL, what('box'), [[9, 2, 4], [5, 5, 4], [3, 8, 4]]);
  assert.deepEqual(params(AXIAL, [prompt]).roi, [3, 9, 2, 8, 4, 4]);
  assert.equal(promptOf(AXIAL, what('box'), [[9, 2, 4], [9, 5, 4]]), null);
});

test('a scribble is every voxel under the stroke, once', () => {
  const path = [[1, 1, 2], [5, 1, 2], [1, 1, 2]];
  assert.equal(painted(AXIAL, path).length, 5);
  assert.deepEqual(params(AXIAL, [promptOf(AXIAL, what('scribble'), path)]).foreground_scribble.length, 5);
});

test('a lasso is a polygon on one slice, without corners that lie on each other', () => {
  const path = [[1, 1, 2.2], [1.1, 1, 2.2], [6, 1, 2.2], [6, 6.04, 2.2]];
  const { foreground_lasso: [polygon] } = params(AXIAL, [promptOf(AXIAL, what('lasso'), path)]);
  assert.deepEqual(polygon, [[1, 1, 2], [6, 1, 2], [6, 6, 2]]);
  assert.equal(promptOf(AXIAL, what('lasso'), [[1, 1, 2], [2, 1, 2]]), null);
  assert.ok(!('background_lasso' in params(AXIAL, [])));
});

test('prompts of the last plane answer together, in 3D on every slice', () => {
  const at = (k, plane = 'axial') => promptOf(AXIAL, what('point', 1, plane), [[4, 5, k]]);
  const all = [at(1), at(2), at(1, 'coronal'), at(2)];
  assert.equal(together(all, false).length, 2);
  assert.equal(together(all, true).length, 3);
});
