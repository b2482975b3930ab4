// Tools: prompts for the network, and OHIF's own brushes.

import { BRUSH, ERASER, THRESHOLD } from '../tools.js';
import { button, check, h, tell } from './dom.js';

/** @typedef {import('../strokes.js').Kind} Kind */

/** @type {[string, Kind, 1 | -1, string][]} */
const PROMPTS = [['+ point', 'point', 1, 'It is here'], ['- point', 'point', -1, 'It is not here'],
  ['box', 'box', 1, 'It is inside'], ['+ scribble', 'scribble', 1, 'It is along this stroke'],
  ['- scribble', 'scribble', -1, 'It is not along this stroke'], ['+ lasso', 'lasso', 1, 'It is inside this line'],
  ['- lasso', 'lasso', -1, 'It is not inside this line']];
const TOOLS = [['brush', BRUSH], ['eraser', ERASER], ['threshold brush', THRESHOLD]];

/** @param {import('../session.js').Session} session */
export function promptSection(session) {
  const prompts = PROMPTS.map(([text, kind, sign, title]) =>
    ({ kind, sign, element: button(text, session.doing(() => session.pointing.draw(kind, sign)), { title }) }));
  const tools = TOOLS.map(([text, tool]) => ({ tool, element: button(text, session.doing(() => session.pointing.take(tool))) }));
  const run = button('Run', session.doing(() => session.segmenting.run()), { title: 'Ask again with these prompts' });
  const undo = button('Undo', session.doing(() => session.undo()), { title: 'Ctrl+Z' });
  const redo = button('Redo', session.doing(() => session.redo()), { title: 'Ctrl+Y' });
  const onClick = check('run on click', session.segmenting.onClick, (on) => { session.segmenting.onClick = on; },
    { dataset: { samlabel: 'auto' } });
  const volume = check('3D', session.segmenting.volume, (on) => { session.segmenting.volume = on; session.changed(); },
    { title: 'Follow the object through all slices', dataset: { samlabel: 'volume' } });
  const bar = h('progress', { 'aria-label': 'Slices done' }), done = h('span', { class: 'sl-note' });
  const job = h('div', { dataset: { samlabel: 'job' } }, bar, h('div', { class: 'sl-row' }, done,
    button('Stop and keep', session.doing(() => session.segmenting.stop(true))),
    button('Cancel', session.doing(() => session.segmenting.stop(false)))));
  const plane = h('div', { class: 'sl-note' });
  return {
    name: 'prompt', title: 'Prompt', open: true,
    body: h('div', {}, h('div', { class: 'sl-row', role: 'group', 'aria-label': 'Prompts' },
      ...prompts.map(({ element }) => element)), h('div', { class: 'sl-row', role: 'group', 'aria-label': 'Painting' },
      ...tools.map(({ element }) => element)), h('div', { class: 'sl-row' }, run, undo, redo, onClick, volume), plane, job),
    update() {
      const { pointing, segmenting, open: { work } } = session;
      prompts.forEach(({ kind, sign, element }) =>
        element.setAttribute('aria-pressed', String(pointing.kind === kind && pointing.sign === sign)));
      tools.forEach(({ tool, element }) => element.setAttribute('aria-pressed', String(pointing.tool === tool)));
      run.disabled = segmenting.busy || !work.promptsOf(work.active).length;
      undo.disabled = !work.history.done.length;
      redo.disabled = !work.history.undone.length;
      const named = work.label(work.active)?.locked ? `${work.active} is locked: unlock it to change it.` : '';
      tell(plane, named, true);
      job.hidden = !segmenting.job;
      if (!segmenting.job) return;
      if (segmenting.job.total) { bar.max = segmenting.job.total; bar.value = segmenting.job.done; } else bar.removeAttribute('value');
      const of = segmenting.job.total ? `${segmenting.job.done} of ${segmenting.job.total} slices` : 'under way';
      done.textContent = `${segmenting.job.what}: ${of}`;
    },
  };
}
