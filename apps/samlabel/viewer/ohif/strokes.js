// What a reader drew becomes prompts, and prompts become parameters of a request. Knows no viewer and no server.

import { axisOf, clamped, line } from './geometry.js';

/** @typedef {import('./geometry.js').Voxel} Voxel */
/** @typedef {import('./geometry.js').Grid} Grid */
/** @typedef {import('./geometry.js').Plane} Plane */
/** @typedef {'point' | 'box' | 'scribble' | 'lasso'} Kind */
/**
 * @typedef {object} Prompt
 * @property {string} id
 * @property {string} label
 * @property {Kind} kind
 * @property {1 | -1} sign 1: it is here, -1: it is not
 * @property {Plane | ''} plane empty for an image without planes
 * @property {number} slice index along the axis across the plane
 * @property {number[][]} voxels with fractions, as drawn
 */

const LASSO_STEP = 0.7; // voxels: nearer corners say nothing new
export const DRAGGED = 3; // pixels: a shorter way is a click

/** The stored axis across a prompt's plane. @param {Grid} grid @param {Plane | ''} plane */
export const across = (grid, plane) => (plane ? axisOf(grid, plane) : 2);

/**
 * A path as a prompt; null where it says nothing, as a box without a size.
 * @param {Grid} grid
 * @param {{id: string, label: string, kind: Kind, sign: 1 | -1, plane: Plane | ''}} what
 * @param {number[][]} path voxels with fractions
 * @returns {Prompt | null}
 */
export function promptOf(grid, what, path) {
  const axis = across(grid, what.plane);
  const first = clamped(grid, path[0]);
  /** @type {number[][]} */
  let voxels = path.map((voxel) => Array.from(voxel));
  if (what.kind === 'point') voxels = [first];
  if (what.kind === 'box') voxels = [path[0], path[path.length - 1]].map((voxel) => clamped(grid, voxel));
  if (what.kind === 'box' && [0, 1, 2].filter((n) => voxels[0][n] !== voxels[1][n]).length < 2) return null;
  if (what.kind === 'lasso') voxels = corners(voxels);
  if (what.kind === 'lasso' && voxels.length < 3) return null;
  return { ...what, slice: first[axis], voxels };
}

/** A path without corners that lie on each other. @param {number[][]} path */
function corners(path) {
  /** @type {number[][]} */
  const kept = [];
  for (const voxel of path) {
    const last = kept[kept.length - 1];
    if (!last || Math.hypot(...voxel.map((v, axis) => v - last[axis])) >= LASSO_STEP) kept.push(voxel);
  }
  return kept;
}

/** The voxels under a stroke, each once. @param {Grid} grid @param {number[][]} path @returns {Voxel[]} */
export function painted(grid, path) {
  const way = path.map((voxel) => clamped(grid, voxel));
  const all = way.flatMap((voxel, n) => line(way[Math.max(0, n - 1)], voxel));
  return [...new Map(all.map((voxel) => [voxel.join(), voxel])).values()];
}

/** @param {Voxel[]} ends */
const roi = (ends) => [0, 1, 2].flatMap((axis) =>
  [Math.min(...ends.map((end) => end[axis])), Math.max(...ends.map((end) => end[axis]))]);

/** Prompts that answer together with the last one: on its slice, in 3D on every slice of its plane.
 * @param {Prompt[]} prompts of one label
 * @param {boolean} volume
 */
export function together(prompts, volume) {
  const last = prompts[prompts.length - 1];
  return prompts.filter((prompt) => prompt.plane === last.plane && (volume || prompt.slice === last.slice));
}

/**
 * The parameters that say prompts to the server; of boxes the last one counts.
 * @param {Grid} grid @param {Prompt[]} prompts
 * @returns {Record<string, any>}
 */
export function params(grid, prompts) {
  /** @type {(kind: Kind, sign: number) => Prompt[]} */
  const of = (kind, sign) => prompts.filter((prompt) => prompt.kind === kind && prompt.sign === sign);
  const box = of('box', 1).pop();
  /** @type {Record<string, any>} */
  const said = {
    foreground: of('point', 1).flatMap(({ voxels }) => voxels),
    background: of('point', -1).flatMap(({ voxels }) => voxels),
    order: prompts.filter(({ kind }) => kind === 'point')
      .flatMap(({ voxels, sign }) => voxels.map(() => (sign > 0 ? 1 : 0))),
    foreground_scribble: of('scribble', 1).flatMap(({ voxels }) => painted(grid, voxels)),
    background_scribble: of('scribble', -1).flatMap(({ voxels }) => painted(grid, voxels)),
    foreground_lasso: of('lasso', 1).map((prompt) => flat(grid, prompt)),
    background_lasso: of('lasso', -1).map((prompt) => flat(grid, prompt)),
    roi: box ? roi(/** @type {Voxel[]} */ (box.voxels)) : [],
  };
  const always = ['foreground', 'background'];
  return Object.fromEntries(Object.entries(said).filter(([key, list]) => always.includes(key) || list.length));
}

/** A lasso on exactly its slice, to a tenth of a voxel. @param {Grid} grid @param {Prompt} prompt */
function flat(grid, { plane, slice, voxels }) {
  const axis = across(grid, plane);
  return voxels.map((voxel) => voxel.map((v, n) => (n === axis ? slice : Math.round(10 * v) / 10)));
}
