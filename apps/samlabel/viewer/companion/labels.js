// Labels and drafts on the server: submit, re-open, withdraw; keep, restore and discard what is not submitted.

import { readNrrd, writeNrrd } from './nrrd.js';
import { $, say, time } from './panel.js';
import { busy } from './prompts.js';
import { ask, askFor, reader } from './server.js';
import * as viewer from './viewer.js';
import { algorithmType, begin, change, work } from './work.js';

const FINAL = 'final';

// One after the other: a draft on its way must not arrive after the submission that made it void.
let last = Promise.resolve();
const inTurn = (action) => () => {
  last = last.catch(() => {}).then(action);
  return last;
};

// A tag per reader; characters that tags do not have become their number.
const draft = () => `draft_${reader() ? reader().replace(/[^A-Za-z0-9-]/g, (c) => `_${c.charCodeAt(0)}_`) : 'local'}`;

const at = (name, tag) => `/datastore/label?${name}=${viewer.series()}&tag=${tag.slice(0, 64)}`;
const info = async (tag) => {
  const found = await askFor(`/datastore/label/info?label=${viewer.series()}&tag=${tag.slice(0, 64)}`);
  return found?.label_info ? found : null;
};
const named = (found) => found.label_info.map((entry) => entry.name).join(', ');

// The segmentation as the server stores it: values 1..n without gaps, and their names.
async function packed(more = {}) {
  const voxels = viewer.labelmap().getCompleteScalarDataArray();
  const present = new Uint8Array(256);
  for (let n = 0; n < voxels.length; n++) present[voxels[n]] = 1;
  const values = Array.from(present.keys()).filter((value) => value && present[value]);
  const label = (value) => viewer.segments().find((segment) => segment.segmentIndex === value)?.label;
  const names = values.map((value) => label(value) || `label ${value}`);
  const number = new Uint8Array(256);
  values.forEach((value, n) => { number[value] = n + 1; });
  const renumbered = new Uint8Array(voxels.length);
  for (let n = 0; n < voxels.length; n++) renumbered[n] = number[voxels[n]];
  const facts = Object.values(work.facts).pop() || {};
  const form = new FormData();
  form.append('params', JSON.stringify({
    label_info: names.map((name, n) => ({ name, idx: n + 1 })), algorithm_type: algorithmType(),
    model: facts.model || '', adapter: facts.adapter || '', client_id: reader() || 'local', seconds: work.seconds,
    clicks: Object.values(work.prompts).flat().length,
    prompts: Object.fromEntries(Object.entries(work.facts).map(([label, f]) => [label, f.prompts])), ...more,
  }));
  form.append('label', await writeNrrd(renumbered, viewer.volume()), 'label.nrrd');
  return { names, form };
}

export const submit = inTurn(async () => {
  const { names, form } = await packed();
  if (!names.length) throw new Error('There is nothing to submit yet.');
  say('Submitting ...');
  const answer = await (await ask(at('image', FINAL), { method: 'PUT', body: form })).json();
  work.dirty = work.unsaved = false;
  await forgetDraft();
  await showStored();
  // A label in doubt is saved all the same: its reader is told what somebody will look at.
  say(`Submitted: ${names.join(', ')}.${answer.message ? ` Take care: ${answer.message}.` : ''}`);
});

export async function withdraw() {
  if (!window.confirm('Withdraw the accepted label of this case?')) return;
  await ask(at('id', FINAL), { method: 'DELETE' });
  await showStored();
  say('Withdrawn: the case counts as not labelled again.');
}

export async function reopen() {
  const found = await info(FINAL);
  if (!found) throw new Error('There is no accepted label for this case.');
  const missing = await load(FINAL, found);
  work.dirty = work.unsaved = false;
  say(missing || 'Loaded: correct it and submit again.');
}

// What is not submitted is kept on the server, so that neither a crash here nor one there loses it.
export const keepDraft = inTurn(async () => {
  if (!work.unsaved || busy() || !viewer.labelmap()) return;
  work.unsaved = false;
  try {
    const drawn = Object.entries(work.prompts).flatMap(([label, list]) =>
      list.map((prompt) => ({ ...prompt, label, annotation: viewer.savedAnnotation(prompt.uid) })));
    const { names, form } = await packed({ drawn, facts: work.facts });
    if (names.length) await ask(at('image', draft()), { method: 'PUT', body: form });
    else await forgetDraft();
    await showStored();
  } catch (error) {
    work.unsaved = true;
    throw new Error(`The draft is not kept yet: ${error.message}`);
  }
});

// A draft comes back by itself: a reader who began anew would overwrite it.
export async function restoreDraft() {
  const found = await info(draft());
  if (!found) return false;
  const missing = await load(draft(), found);
  for (const { annotation, label, ...prompt } of found.drawn || []) {
    if (annotation) viewer.drawAnnotation(annotation);
    if (annotation) (work.prompts[label] ||= []).push(prompt);
  }
  work.facts = found.facts || {};
  work.seconds = found.seconds || 0;
  work.unsaved = false;
  viewer.redraw();
  say(missing || `Restored: your draft of ${time(found.ts)} (${named(found)}).`);
  return true;
}

export const discardDraft = inTurn(async () => {
  if (!window.confirm('Throw away what is not submitted in this case?')) return;
  Object.values(work.prompts).flat().forEach((prompt) => viewer.removeAnnotation(prompt.uid));
  change('everything', cleared(() => 0));
  begin();
  await forgetDraft();
  await showStored();
  say('The draft is gone; the accepted label, if there is one, stays.');
});

async function forgetDraft() {
  if (await info(draft())) await ask(at('id', draft()), { method: 'DELETE' });
}

// Put a stored label on the screen; a sentence when this server does not know one of its names.
async function load(tag, found) {
  const mask = await readNrrd(await (await ask(at('label', tag))).blob());
  const value = found.label_info.map((entry) => viewer.indexOf(entry.name));
  const missing = found.label_info.filter((_, n) => !value[n]).map((entry) => entry.name);
  change('the loaded label', cleared((n) => (mask[n] ? value[mask[n] - 1] || 0 : 0)));
  work.origin = found.algorithm_type || 'SEMIAUTOMATIC';
  return missing.length ? `Loaded without ${missing.join(', ')}: not among this server's labels.` : '';
}

// The whole label map as changes to what `after` says.
function cleared(after) {
  const map = viewer.labelmap().getCompleteScalarDataArray(), changed = [];
  for (let n = 0; n < map.length; n++) if (map[n] !== after(n)) changed.push([n, map[n], after(n)]);
  return changed;
}

export async function showStored() {
  const [final, kept] = [await info(FINAL), await info(draft())];
  const by = final?.reader ? ` (${final.reader})` : '';
  $('stored').textContent = (final ? `Accepted label: ${named(final)}${by}. ` : '')
    + (kept ? `Draft of ${time(kept.ts)}: ${named(kept)}.` : '');
  $('reopen').disabled = $('withdraw').disabled = !final;
  $('discard').disabled = !kept;
}
