// Steps that can be taken back and done again. Knows no viewer and no server.

import { joined, reversed } from './overlap.js';

/** @typedef {import('./overlap.js').Changes} Changes */
/** @typedef {import('./strokes.js').Prompt} Prompt */
/**
 * @typedef {object} Step
 * @property {string} what in words, such as "the point of liver"
 * @property {string} label
 * @property {Changes} changes
 * @property {[Prompt[], Prompt[]]} prompts all prompts before and after
 * @property {[Record<string, any>, Record<string, any>]} facts of the answers before and after
 */

const MOST = 100, MOST_VOXELS = 40_000_000;

/** What was done and what was taken back. */
export class History {
  /** @type {Step[]} */ done = [];
  /** @type {Step[]} */ undone = [];

  /** @param {Step} step */
  add(step) {
    this.done.push(step);
    this.undone = [];
    let voxels = this.done.reduce((sum, { changes }) => sum + changes.at.length, 0);
    while (this.done.length > MOST || (voxels > MOST_VOXELS && this.done.length > 1)) {
      voxels -= this.done.shift()?.changes.at.length ?? 0;
    }
  }

  /** The answer belongs to the step of the prompt that asked for it. @param {Step} step */
  extend(step) {
    const last = this.done[this.done.length - 1];
    if (!last) return this.add(step);
    this.done.pop();
    return this.add({ ...last, changes: joined(last.changes, step.changes), prompts: [last.prompts[0], step.prompts[1]],
      facts: [last.facts[0], step.facts[1]] });
  }

  /** The step to take back, as what has to be done now; undefined when there is none. */
  undo() {
    const step = this.done.pop();
    if (!step) return undefined;
    this.undone.push(step);
    return { ...step, changes: reversed(step.changes), prompts: step.prompts[0], facts: step.facts[0] };
  }

  /** The step to do again; undefined when there is none. */
  redo() {
    const step = this.undone.pop();
    if (!step) return undefined;
    this.done.push(step);
    return { ...step, prompts: step.prompts[1], facts: step.facts[1] };
  }
}
