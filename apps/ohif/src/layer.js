// What lies over the images and is part of no label: prompts, what is being drawn, proposals, doubt.

import { SHADES } from './readers.js';
import { colorOf } from './state.js';

/** @typedef {import('./session.js').Session} Session */
/** @typedef {import('./ohif.js').Pane} Pane */
/** @typedef {import('./strokes.js').Prompt} Prompt */

const COARSE = 2; // screen pixels per drawn one: still finer than a voxel
const NEAR = 0.6; // slices
const DASH = 4;
const RADIUS = 5;
const FAINT = 0.6; // how strongly a proposed place is drawn
const NAME_AT = 12; // pixels above a pane's lower edge

/** @typedef {{context: CanvasRenderingContext2D, width: number, height: number}} Sheet */

export class Layer {
  /** What is being drawn, in pixels of a pane. @type {{id: string, kind: string, sign: number, path: [number, number][]} | null} */
  sketch = null;
  /** @type {Map<string, HTMLCanvasElement>} */ #canvases = new Map();

  /** @param {Session} session */
  constructor(session) { this.session = session; }

  draw() { this.session.panes().forEach((pane) => this.pane(pane)); }

  /** @param {Pane} pane */
  pane(pane) {
    const canvas = this.#canvas(pane), context = canvas.getContext('2d');
    if (!context) return;
    canvas.width = canvas.clientWidth;
    canvas.height = canvas.clientHeight;
    if (!canvas.width || !canvas.height) return;
    const sheet = { context, width: canvas.width, height: canvas.height };
    this.#doubt(pane, sheet);
    this.#difference(pane, sheet);
    this.#proposal(pane, sheet);
    this.session.open.work.prompts.forEach((prompt) => this.#prompt(pane, context, prompt));
    this.#advice(pane, context);
    this.#sketch(pane, context);
    this.#active(pane, sheet);
  }

  /** The name of the label that is drawn, where the reader looks. @param {Pane} pane @param {Sheet} sheet */
  #active({ id }, { context, width, height }) {
    const { pointing, open: { work } } = this.session;
    if (!pointing.tool || this.session.activeId !== id) return;
    context.font = '13px sans-serif';
    context.textAlign = 'center';
    context.lineWidth = 3;
    context.strokeStyle = 'black';
    context.fillStyle = `rgb(${(work.label(work.active)?.color ?? [255, 255, 255]).join(', ')})`;
    context.strokeText(work.active, width / 2, height - NAME_AT);
    context.fillText(work.active, width / 2, height - NAME_AT);
  }

  /** A canvas over the image of a pane. @param {Pane} pane */
  #canvas({ id, element }) {
    const known = this.#canvases.get(id);
    if (known && element.contains(known)) return known;
    const made = document.createElement('canvas');
    made.dataset.samlabel = 'layer';
    made.style.cssText = 'position: absolute; inset: 0; width: 100%; height: 100%; pointer-events: none;';
    element.append(made);
    this.#canvases.set(id, made);
    return made;
  }

  /** Colour every coarse pixel by the voxel under it. @param {Pane} pane @param {Sheet} sheet
   * @param {(voxel: number[]) => number[] | null} colour */
  #fill(pane, { context, width, height }, colour) {
    const at = (/** @type {number} */ x, /** @type {number} */ y) => this.session.voxelAt(pane, [x, y]);
    const start = at(0, 0), far = 100;
    const [right, down] = [at(far, 0), at(0, far)].map((there) => there.map((v, axis) => (v - start[axis]) / far));
    for (let y = 0; y < height; y += COARSE) {
      for (let x = 0; x < width; x += COARSE) {
        const shade = colour(start.map((v, axis) =>
          Math.round(v + (x + COARSE / 2) * right[axis] + (y + COARSE / 2) * down[axis])));
        if (!shade) continue;
        context.fillStyle = `rgba(${shade[0]}, ${shade[1]}, ${shade[2]}, ${shade[3]})`;
        context.fillRect(x, y, COARSE, COARSE);
      }
    }
  }

  /** @param {Pane} pane @param {Sheet} sheet */
  #doubt(pane, sheet) {
    const { doubt, uncertain } = this.session.segmenting;
    if (!doubt || !uncertain) return;
    const { low, shape, voxels, scale } = doubt;
    this.#fill(pane, sheet, (voxel) => {
      const [i, j, k] = voxel.map((v, axis) => v - low[axis]);
      if (i < 0 || j < 0 || k < 0 || i >= shape[0] || j >= shape[1] || k >= shape[2]) return null;
      const much = voxels[i + shape[0] * (j + shape[1] * k)] / scale;
      return much > 0 ? [255, Math.round(230 * (1 - much)), 0, 0.8 * Math.min(1, 1.5 * much)] : null;
    });
  }

  /** Where two readers differ. @param {Pane} pane @param {Sheet} sheet */
  #difference(pane, sheet) {
    const { difference: map } = this.session.stored.readers;
    if (!map) return;
    const { dimensions: [ni, nj, nk] } = this.session.open.work.grid;
    this.#fill(pane, sheet, ([i, j, k]) => {
      if (i < 0 || j < 0 || k < 0 || i >= ni || j >= nj || k >= nk) return null;
      return SHADES[map[i + ni * (j + nj * k)] - 1] ?? null;
    });
  }

  /** The edge of what is proposed, dashed. @param {Pane} pane @param {Sheet} sheet */
  #proposal(pane, sheet) {
    const { proposal } = this.session.segmenting;
    if (!proposal) return;
    const { dimensions: [ni, nj, nk] } = this.session.open.work.grid, { map } = proposal;
    const value = (/** @type {number} */ i, /** @type {number} */ j, /** @type {number} */ k) =>
      (i < 0 || j < 0 || k < 0 || i >= ni || j >= nj || k >= nk ? 0 : map[i + ni * (j + nj * k)]);
    const flat = this.session.axisOf(pane), step = [0, 1, 2].filter((axis) => axis !== flat);
    this.#fill(pane, sheet, ([i, j, k]) => {
      const here = value(i, j, k);
      if (!here) return null;
      const edge = step.some((axis) => [-1, 1].some((way) =>
        value(i + (axis === 0 ? way : 0), j + (axis === 1 ? way : 0), k + (axis === 2 ? way : 0)) !== here));
      const along = step[0] === 0 ? i + j + k : j + k;
      if (edge && along % DASH < DASH / 2) return [...colorOf(here), 1];
      return edge ? null : [...colorOf(here), 0.12];
    });
  }

  /** @param {Pane} pane @param {CanvasRenderingContext2D} context @param {Prompt} prompt */
  #prompt(pane, context, { kind, sign, slice, plane, voxels, label }) {
    if (plane && kind !== 'point' && plane !== this.session.planeOf(pane)) return;
    const places = voxels.map((voxel) => this.session.pixelOf(pane, voxel));
    if (places[0].away > NEAR || slice < 0) return;
    const color = this.session.open.work.label(label)?.color ?? [255, 255, 255];
    const own = label === this.session.open.work.active;
    const shade = color.map((part) => Math.round(own ? (part + 2 * 255) / 3 : part)); // brighter than the mask below it
    mark(context, kind, sign, places.map(({ x, y }) => [x, y]), `rgb(${shade.join(', ')})`);
  }

  /** Where the hand matters, and faintly where a click would help. @param {Pane} pane
   * @param {CanvasRenderingContext2D} context */
  #advice(pane, context) {
    for (const [voxel, kind] of this.session.segmenting.advice.marks) {
      const { x, y, away } = this.session.pixelOf(pane, voxel);
      if (away > NEAR) continue;
      context.save();
      context.globalAlpha = kind === 'cure' ? FAINT : 1;
      context.strokeStyle = 'rgb(255, 215, 60)';
      context.lineWidth = 2;
      context.setLineDash(kind === 'cure' ? [3, 3] : []);
      context.beginPath();
      context.arc(x, y, kind === 'cure' ? 2 * RADIUS : RADIUS, 0, 2 * Math.PI);
      context.stroke();
      context.restore();
    }
  }

  /** @param {Pane} pane @param {CanvasRenderingContext2D} context */
  #sketch({ id }, context) {
    if (this.sketch?.id !== id) return;
    mark(context, this.sketch.kind, this.sketch.sign, this.sketch.path, 'white');
  }

  remove() {
    this.#canvases.forEach((canvas) => canvas.remove());
    this.#canvases.clear();
  }
}

/** @param {CanvasRenderingContext2D} context @param {string} kind @param {number} sign @param {number[][]} path
 * @param {string} color */
function mark(context, kind, sign, path, color) {
  context.save();
  context.setLineDash(sign < 0 && kind !== 'point' ? [5, 4] : []);
  context.beginPath();
  const [[x, y]] = path, [right, down] = path[path.length - 1];
  if (kind === 'point') {
    context.arc(x, y, RADIUS, 0, 2 * Math.PI);
    context.moveTo(x - RADIUS, y);
    context.lineTo(x + RADIUS, y);
    if (sign > 0) { context.moveTo(x, y - RADIUS); context.lineTo(x, y + RADIUS); }
  } else if (kind === 'box') context.rect(x, y, right - x, down - y);
  else {
    path.forEach(([px, py], n) => (n ? context.lineTo(px, py) : context.moveTo(px, py)));
    if (kind === 'lasso') context.closePath();
  }
  const wide = kind === 'scribble' ? 3 : 2;
  for (const [style, width] of /** @type {[string, number][]} */ ([['black', wide + 2], [color, wide]])) {
    context.strokeStyle = style;
    context.lineWidth = width;
    context.stroke();
  }
  context.restore();
}
