// Grids of voxels: which stored axis lies across a plane, and lines of voxels. Knows no viewer and no server.

/** @typedef {[number, number, number]} Voxel */
/** @typedef {{dimensions: number[], spacing: number[], origin: number[], direction: number[]}} Grid */
/** @typedef {'axial' | 'coronal' | 'sagittal'} Plane */

/** The patient's axis (LPS) across each plane. @type {Record<Plane, number>} */
const ACROSS = { sagittal: 0, coronal: 1, axial: 2 };

/**
 * The stored axis that runs most nearly across a plane.
 * @param {Grid} grid @param {Plane} plane @returns {number}
 */
export function axisOf(grid, plane) {
  const slope = [0, 1, 2].map((axis) => Math.abs(grid.direction[3 * axis + ACROSS[plane]]));
  return slope.indexOf(Math.max(...slope));
}

/**
 * The plane that a view shows, by its normal in LPS.
 * @param {ArrayLike<number>} normal @returns {Plane}
 */
export function planeOf(normal) {
  const size = Array.from(normal, Math.abs);
  const name = Object.entries(ACROSS).find(([, axis]) => axis === size.indexOf(Math.max(...size)));
  return /** @type {Plane} */ (name ? name[0] : 'axial');
}

/** @param {Grid} grid @param {ArrayLike<number>} voxel */
export const inside = (grid, voxel) =>
  grid.dimensions.every((size, axis) => Math.round(voxel[axis]) >= 0 && Math.round(voxel[axis]) < size);

/** The nearest voxel inside the grid. @param {Grid} grid @param {ArrayLike<number>} voxel @returns {Voxel} */
export const clamped = (grid, voxel) => /** @type {Voxel} */ (
  grid.dimensions.map((size, axis) => Math.min(size - 1, Math.max(0, Math.round(voxel[axis])))));

/** @param {Grid} grid */
export const voxelMl = (grid) => grid.spacing.reduce((product, mm) => product * mm, 1) / 1000;

/** Where a voxel stands in an array with i fastest. @param {Grid} grid @param {Voxel} voxel */
export const indexOf = ({ dimensions: [ni, nj] }, [i, j, k]) => i + ni * (j + nj * k);

/**
 * Every voxel between two, ends included, each once.
 * @param {Voxel} from @param {Voxel} to @returns {Voxel[]}
 */
export function line(from, to) {
  const steps = Math.max(...from.map((v, axis) => Math.abs(to[axis] - v)));
  return Array.from({ length: steps + 1 }, (_, n) => /** @type {Voxel} */ (
    from.map((v, axis) => Math.round(v + (steps ? (n / steps) * (to[axis] - v) : 0)))));
}
