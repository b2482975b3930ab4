// What the stock MONAI Label panel of OHIF lacks: submit, run on click, box, brush, undo, drafts, next case, amend.
// Added to the viewer's page by ohif/page.py. It uses only what the viewer exposes on `window`; when that is missing,
// it says so and leaves the stock panel alone. Nothing here changes the viewer's own code.

import { discardDraft, keepDraft, reopen, restoreDraft, showStored, submit, withdraw } from './labels.js';
import * as doubt from './doubt.js';
import * as lease from './lease.js';
import { $, remove, say, saying, show } from './panel.js';
import { run, setSign, take } from './prompts.js';
import { ask, post, reader, setReader } from './server.js';
import * as viewer from './viewer.js';
import { begin, beginStroke, endStroke, tick, undo, work } from './work.js';

const WAIT_MS = 500, SETTLE_MS = 700, DRAFT_MS = 2000, TRAINING_MS = 30_000, LEASE_MS = 60_000;
const BUNDLE_MS = 30_000, GIVE_UP_MS = 180_000;
const NOT_KNOWN = 'This OHIF is another build than the companion was made for; the stock panel works as ever.';
const known = document.querySelector('script[data-build]').dataset.build === 'known';

async function until(condition, what, limit = GIVE_UP_MS) {
  for (let waited = 0; waited < limit; waited += WAIT_MS) {
    if (condition()) return;
    await new Promise((done) => setTimeout(done, WAIT_MS));
  }
  throw new Error(`${what()} did not appear; the stock panel works as ever.`);
}

const actions = {
  run, reopen, withdraw, discard: discardDraft, next,
  doubt: doubt.toggle,
  submit: async () => { await submit(); lease.over(); },
  undo: () => {
    const step = undo();
    say(step ? `Undone: the last ${step.prompt ? 'prompt' : 'change'} of ${step.label}.` : 'Nothing to undo.');
  },
};

// Before the first click the server fetches the series, and tells what is odd about it or why it cannot be segmented.
async function fetchImage(series) {
  const there = await fetch(`/datastore/image?image=${series}`, { method: 'HEAD' });
  if (!there.ok) await ask(`/datastore/image?image=${series}`); // a HEAD has no sentence
  const { note } = await (await ask(`/datastore/image/info?image=${series}`)).json();
  if (note) $('notice').textContent = `Take care: ${note}.`;
}

// What could not be loaded is said and does not keep the reader from working.
const settled = (step) => step.catch((error) => { say(error.message, true); return true; });

async function next() {
  if (work.dirty && !window.confirm('Leave with changes that are not submitted? The draft stays.')) return;
  const strategy = $('strategy').value;
  await keepDraft();
  const body = { client_id: reader() || 'local', leave: viewer.series() };
  const sample = await (await post(`/activelearning/${strategy}`, body)).json();
  if (!sample.StudyInstanceUID) return say('No other case is left: they have labels, or somebody else has them open.');
  sessionStorage.setItem('samlabel-reason', sample.why || `chosen by ${strategy}`);
  window.location.href = `/ohif/monai-label?StudyInstanceUIDs=${sample.StudyInstanceUID}`;
}

async function showTraining() {
  const stats = Object.values((await (await ask('/info/')).json()).train_stats || {})[0];
  if (!stats?.stage) return;
  const best = stats.best_metric ? `, best Dice ${(100 * stats.best_metric).toFixed(0)} %` : '';
  // A run that is over has its total time, and says what came of it.
  $('training').textContent = stats.total_time
    ? `Last training: ${stats.message || stats.stage}`
    : `Training (${stats.stage}, ${Math.round(stats.percent)} %): epoch ${stats.epoch} of ${stats.total_epochs}${best}`;
}

function onTool(tool, sign) {
  setSign(sign);
  viewer.takeTool(tool, $('label').value);
}

async function onReader() {
  await lease.leave();
  setReader($('reader').value.trim());
  await Promise.all([showStored(), lease.hold()]);
}

let listening = false;

function listen() {
  if (listening) return;
  listening = true;
  viewer.onPrompt(saying(take));
  viewer.onDrawn(doubt.draw);
  let settling; // the end of the last stroke must not fall into the next one
  // In the capture phase: before the tools see the button go down.
  window.addEventListener('mousedown', ({ target }) => {
    clearTimeout(settling);
    if (!target.closest('#samlabel')) beginStroke();
  }, true);
  window.addEventListener('mouseup', () => { settling = setTimeout(endStroke, SETTLE_MS); });
}

async function openCase() {
  begin();
  doubt.forget();
  show(actions, onTool);
  $('reader').value = reader();
  $('reader').onchange = saying(onReader);
  if (!known) $('notice').textContent = NOT_KNOWN;
  say('Loading the images ...');
  const needed = () => `What the companion needs of OHIF (${viewer.missing().join(', ')})`;
  await until(() => !viewer.missing().length, needed, BUNDLE_MS);
  await until(() => viewer.volume()?.loadStatus?.loaded, () => 'The image volume');
  await until(() => viewer.connect(WAIT_MS), () => 'The MONAI Label panel');
  await until(() => viewer.segments().length && viewer.labelmap(), () => 'The segmentation');
  const info = await (await ask('/info/')).json();
  const labels = info.labels.filter((label) => label !== 'background');
  $('label').replaceChildren(...labels.map((label) => new Option(label, label)));
  $('strategy').replaceChildren(...Object.keys(info.strategies).map((name) => new Option(name, name)));
  listen();
  await lease.hold();
  saying(fetchImage)(viewer.series());
  const restored = await settled(restoreDraft());
  await Promise.all([settled(showStored()), settled(showTraining())]);
  const reason = sessionStorage.getItem('samlabel-reason');
  sessionStorage.removeItem('samlabel-reason');
  if (!restored) say(reason ? `This case: ${reason}.` : 'Ready: choose a label and a tool.');
  $('label').dataset.ready = 'yes';
}

const ready = () => $('label')?.dataset.ready;

// OHIF changes its pages without loading them anew.
let shown = '';
setInterval(() => {
  const here = /\/monai-label\b/.test(window.location.pathname) ? window.location.search : '';
  if (here === shown) return;
  shown = here;
  lease.leave();
  remove();
  if (here) saying(openCase)();
}, WAIT_MS);
setInterval(() => ready() && saying(keepDraft)(), DRAFT_MS);
setInterval(() => ready() && lease.renew(), LEASE_MS);
setInterval(() => ready() && tick(), 1000);
setInterval(() => ready() && showTraining().catch(() => {}), TRAINING_MS);
window.addEventListener('pagehide', lease.leave);
window.addEventListener('beforeunload', (event) => { if (work.unsaved) event.preventDefault(); });
