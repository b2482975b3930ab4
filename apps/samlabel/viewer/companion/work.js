// What the reader did to the case that is open: prompts per label, steps that can be undone, what is not kept yet.

import * as doubt from './doubt.js';
import * as viewer from './viewer.js';
import { $ } from './panel.js';

const MAX_UNDO = 20, IDLE_MS = 60_000;

export const work = {};

export function begin() {
  Object.assign(work, {
    prompts: {}, // label -> [{uid, tool, sign, plane}]
    facts: {}, // label -> the server's last answer
    undo: [], before: null,
    brushed: false, origin: null, // origin: how a mask that was loaded had come about
    dirty: false, // changed since it was submitted
    unsaved: false, // changed since the draft was kept
    seconds: 0, // that somebody was at it
  });
}

// Called every second: time counts while the reader moves.
let moved = 0;
for (const kind of ['pointermove', 'pointerdown', 'keydown', 'wheel']) {
  window.addEventListener(kind, () => { moved = Date.now(); }, { capture: true, passive: true });
}
export function tick() {
  if (document.visibilityState === 'visible' && Date.now() - moved < IDLE_MS) work.seconds += 1;
}

begin();

// How the segmentation came about, in the words of DICOM.
export function algorithmType() {
  const clicked = Object.values(work.prompts).some((list) => list.length) || Object.keys(work.facts).length > 0;
  // Without a click and without a loaded label the stock panel's models segmented by themselves.
  const before = work.origin || (work.brushed ? 'MANUAL' : 'AUTOMATIC');
  const corrected = clicked || (work.brushed && before === 'AUTOMATIC');
  return corrected ? 'SEMIAUTOMATIC' : before;
}

function remember(step) {
  doubt.forget();
  work.undo.push(step);
  if (work.undo.length > MAX_UNDO) work.undo.shift();
  work.dirty = work.unsaved = true;
}

function put(voxels) {
  const map = viewer.labelmap();
  work.before = null;
  for (const [at, value] of voxels) map.setAtIndex(at, value);
  viewer.redraw();
}

// `changed` lists [place, value before, value after].
export function change(label, changed, prompt = null) {
  remember({ label, changed, prompt });
  put(changed.map(([at, , after]) => [at, after]));
}

// Only the slice that was asked about changes (in 3D all of them), and only what is free or belongs to this label: an
// empty answer erases the old mask, and a new object never takes voxels from another.
export function apply(label, mask, facts, prompt) {
  endStroke();
  const map = viewer.labelmap(), value = viewer.indexOf(label), changed = [];
  const [ni, nj, nk] = viewer.volume().dimensions;
  const range = [[0, ni], [0, nj], [0, nk]];
  if (facts.slice !== undefined) range['ijk'.indexOf(facts.axis)] = [facts.slice, facts.slice + 1];
  for (let k = range[2][0]; k < range[2][1]; k++) {
    for (let j = range[1][0]; j < range[1][1]; j++) {
      for (let i = range[0][0]; i < range[0][1]; i++) {
        const at = i + ni * (j + nj * k), before = map.getAtIndex(at);
        const after = mask[at] ? value : 0;
        if (before !== after && (before === 0 || before === value)) changed.push([at, before, after]);
      }
    }
  }
  change(label, changed, prompt);
  work.facts[label] = facts;
}

// The brush writes by itself: what a stroke changed is found by comparing before and after.
export function beginStroke() {
  endStroke();
  const tool = document.querySelector('#samlabel button.on')?.dataset.tool;
  const painting = tool === viewer.BRUSH || tool === viewer.ERASER;
  work.before = painting ? viewer.labelmap()?.getCompleteScalarDataArray().slice() : null;
}

export function endStroke() {
  const before = work.before, changed = [];
  if (!before || !viewer.labelmap()) return;
  const after = viewer.labelmap().getCompleteScalarDataArray();
  for (let at = 0; at < before.length; at++) if (before[at] !== after[at]) changed.push([at, before[at], after[at]]);
  if (!changed.length) return; // the tools wait for a second click before they begin: it may come later
  work.before = null;
  work.brushed = true;
  remember({ label: $('label').value, changed, prompt: null });
}

// The step that was taken back, or undefined.
export function undo() {
  endStroke();
  const step = work.undo.pop();
  if (!step) return undefined;
  doubt.forget();
  if (step.prompt) {
    work.prompts[step.label] = work.prompts[step.label].filter((prompt) => prompt !== step.prompt);
    viewer.removeAnnotation(step.prompt.uid);
  }
  put(step.changed.map(([at, before]) => [at, before]));
  work.dirty = work.unsaved = true;
  return step;
}
