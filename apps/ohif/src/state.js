// What the reader did to the case that is open: labels, prompts, the label map, steps. Knows no viewer and no server.

import { voxelMl } from './geometry.js';
import { History } from './history.js';
import { NOTHING, answered, difference, merged } from './overlap.js';

/** @typedef {import('./geometry.js').Grid} Grid */
/** @typedef {import('./strokes.js').Prompt} Prompt */
/** @typedef {import('./strokes.js').Kind} Kind */
/** @typedef {import('./overlap.js').Changes} Changes */
/** @typedef {import('./labelmap.js').Label} Label */

/** @type {[number, number, number][]} */
const COLORS = [[214, 75, 75], [92, 184, 92], [86, 140, 236], [240, 173, 78], [155, 104, 220], [70, 196, 200],
  [232, 121, 181], [168, 176, 72], [196, 138, 96], [122, 160, 190]];
const IDLE_MS = 60_000;

/** @param {number} value @returns {[number, number, number]} */
export function colorOf(value) {
  const base = COLORS[(value - 1) % COLORS.length], dim = 0.75 ** Math.floor((value - 1) / COLORS.length);
  return /** @type {[number, number, number]} */ (base.map((part) => Math.round(part * dim)));
}

export class Work {
  tag = ''; // which part of an adapter answers; empty: the one for what the image says of itself
  /** @type {Label[]} */ labels;
  /** @type {Prompt[]} */ prompts = [];
  /** The server's last answer of each label. @type {Record<string, any>} */ facts = {};
  history = new History();
  counts = new Float64Array(256);
  brushed = false;
  /** How a mask that was loaded had come about. @type {string | null} */ origin = null;
  dirty = false; // changed since it was submitted
  unsaved = false; // changed since the draft was kept
  seconds = 0; // that somebody was at it
  moved = 0;
  overwrite = false;
  /** Where the image is, in the words of the server's files. @type {string[]} */ header = [];
  /** @type {() => void} */ changed = () => {};

  /**
   * @param {Grid} grid @param {string[]} names
   * @param {(changes: Changes) => void} write puts voxels into the viewer
   */
  constructor(grid, names, write) {
    this.grid = grid;
    this.write = write;
    this.map = new Uint8Array(grid.dimensions.reduce((product, size) => product * size, 1));
    this.labels = names.map((name, n) => ({ value: n + 1, name, color: colorOf(n + 1), visible: true, locked: false }));
    this.active = names[0];
  }

  /** @param {string} name */
  label(name) { return this.labels.find((label) => label.name === name); }

  /** @param {string} name */
  valueOf(name) { return this.label(name)?.value ?? 0; }

  /** @param {string} name @returns {Label} */
  add(name) {
    const value = Math.max(0, ...this.labels.map((label) => label.value)) + 1;
    if (value > 255) throw new Error('A case has 255 labels at most.');
    const label = { value, name, color: colorOf(value), visible: true, locked: false };
    this.labels.push(label);
    return label;
  }

  /** @returns {import('./overlap.js').Rule} */
  get rule() {
    const locked = new Set(this.labels.filter((label) => label.locked).map(({ value }) => value));
    return { locked, overwrite: this.overwrite };
  }

  /** @param {string} name */
  volumeMl(name) { return this.counts[this.valueOf(name)] * voxelMl(this.grid); }

  /** @param {string} label */
  promptsOf(label) { return this.prompts.filter((prompt) => prompt.label === label); }

  /** @param {Prompt} prompt */
  place(prompt) {
    this.#step(`the ${prompt.kind} of ${prompt.label}`, prompt.label, NOTHING, { prompts: [...this.prompts, prompt] });
  }

  /**
   * An answer about one label.
   * @param {string} label @param {ArrayLike<number>} mask @param {Record<string, any>} facts
   * @param {string[]} asked ids of the prompts that it answers
   */
  answer(label, mask, facts, asked) {
    const value = this.valueOf(label), [ni, nj, nk] = this.grid.dimensions;
    /** @type {[number, number][]} */
    const range = [[0, ni], [0, nj], [0, nk]];
    if (facts.slice !== undefined && facts.axis) range['ijk'.indexOf(facts.axis)] = [facts.slice, facts.slice + 1];
    const changes = answered(this.map, mask, value, { dimensions: this.grid.dimensions, range }, this.rule);
    const last = this.history.done.at(-1);
    // a prompt that was not answered yet: its answer belongs to it
    const own = last && last.label === label && last.facts[0] === last.facts[1] && last.prompts[1] === this.prompts
      && last.prompts[0] !== this.prompts && this.prompts.at(-1)?.id === asked.at(-1);
    if (!own && !changes.at.length) { // the same again: nothing to take back
      this.facts = { ...this.facts, [label]: facts };
      this.changed();
      return changes;
    }
    this.#step(own ? last.what : `the answer for ${label}`, label, changes,
      { facts: { ...this.facts, [label]: facts } }, Boolean(own));
    return changes;
  }

  /** What was said about one label, with its whole mask and all prompts as they are now.
   * @param {string} label @param {ArrayLike<number>} mask @param {string} what @param {Prompt[]} prompts
   * @param {Record<string, any>} facts */
  said(label, mask, what, prompts, facts) {
    const { dimensions } = this.grid, range = /** @type {[number, number][]} */ (dimensions.map((size) => [0, size]));
    const changes = answered(this.map, mask, this.valueOf(label), { dimensions, range }, this.rule);
    this.#step(`"${what}"`, label, changes, { prompts, facts: { ...this.facts, [label]: facts } });
    return changes;
  }

  /** Labels that were proposed and are taken. @param {ArrayLike<number>} proposed @param {string} what
   * @param {Record<string, any>} facts per label */
  take(proposed, what, facts) {
    const changes = merged(this.map, proposed, this.rule);
    this.#step(what, '', changes, { facts: { ...this.facts, ...facts } });
    return changes;
  }

  /** What OHIF's own tools painted. @param {Uint8Array} now @returns {boolean} whether anything changed */
  painted(now) {
    const changes = difference(this.map, now);
    if (!changes.at.length) return false;
    this.brushed = true;
    this.#step(`the stroke of ${this.active}`, this.active, changes, {}, false, true);
    return true;
  }

  /** The whole label map becomes what `after` says. @param {Uint8Array} after @param {string} what
   * @param {{prompts?: Prompt[], facts?: Record<string, any>}} [more] */
  replace(after, what, more = {}) {
    this.#step(what, '', difference(this.map, after), more);
  }

  /** @returns {string} what was taken back; empty when there was nothing */
  undo() { return this.#again(this.history.undo()); }

  /** @returns {string} what was done again; empty when there was nothing */
  redo() { return this.#again(this.history.redo()); }

  /** @param {{what: string, changes: Changes, prompts: Prompt[], facts: Record<string, any>} | undefined} step */
  #again(step) {
    if (!step) return '';
    this.prompts = step.prompts;
    this.facts = step.facts;
    this.#put(step.changes, false);
    return step.what;
  }

  /** @param {string} what @param {string} label @param {Changes} changes
   * @param {{prompts?: Prompt[], facts?: Record<string, any>}} after @param {boolean} [extend] @param {boolean} [there] */
  #step(what, label, changes, { prompts = this.prompts, facts = this.facts }, extend = false, there = false) {
    /** @type {import('./history.js').Step} */
    const step = { what, label, changes, prompts: [this.prompts, prompts], facts: [this.facts, facts] };
    if (extend) this.history.extend(step);
    else this.history.add(step);
    this.prompts = prompts;
    this.facts = facts;
    this.#put(changes, there);
  }

  /** @param {Changes} changes @param {boolean} there the viewer has them already */
  #put(changes, there) {
    const { at, before, after } = changes;
    for (let n = 0; n < at.length; n++) {
      this.map[at[n]] = after[n];
      this.counts[before[n]] -= 1;
      this.counts[after[n]] += 1;
    }
    if (!there && at.length) this.write(changes);
    this.dirty = this.unsaved = true;
    this.changed();
  }

  /** Whether anything is drawn. */
  get empty() { return !this.prompts.length && !this.counts.subarray(1).some((count) => count > 0); }

  /** How the segmentation came about, in the words of DICOM. */
  get algorithmType() {
    const clicked = this.prompts.length > 0 || Object.values(this.facts).some((facts) => !facts.mode);
    const proposed = Object.values(this.facts).some((facts) => facts.mode);
    const before = this.origin || (proposed || !this.brushed ? 'AUTOMATIC' : 'MANUAL');
    return clicked || (this.brushed && before === 'AUTOMATIC') ? 'SEMIAUTOMATIC' : before;
  }

  /** Called every second: time counts while the reader moves. @param {boolean} visible @param {number} now */
  tick(visible, now) {
    if (visible && now - this.moved < IDLE_MS) this.seconds += 1;
  }
}
