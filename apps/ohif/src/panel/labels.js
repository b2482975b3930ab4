// The labels: which one is active, how they look, which are locked.

import { button, check, h } from './dom.js';

/** @typedef {import('../session.js').Session} Session */
/** @typedef {import('../labelmap.js').Label} Label */

const LONG = 8; // labels that need no search
const hex = (/** @type {number[]} */ color) => `#${color.map((part) => part.toString(16).padStart(2, '0')).join('')}`;
const rgb = (/** @type {string} */ text) => /** @type {[number, number, number]} */ (
  [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16)));

/** @param {Session} session */
export function labelSection(session) {
  const list = h('div', { class: 'sl-labels', role: 'group', 'aria-label': 'Labels', dataset: { samlabel: 'labels' } });
  const search = h('input', { type: 'text', placeholder: 'search', 'aria-label': 'Search labels', oninput: () => update() });
  const opacity = h('input', { type: 'range', min: 0, max: 100, 'aria-label': 'Opacity of labels',
    oninput: () => session.setOpacity(Number(opacity.value) / 100) });
  opacity.value = String(100 * session.opacity);
  const overwrite = check('may overwrite other labels', false,
    (on) => { session.open.work.overwrite = on; }, { title: 'Locked labels are never overwritten' });
  const name = h('input', { type: 'text', placeholder: 'another label', 'aria-label': 'Name of another label', maxlength: 64 });
  const add = button('Add', session.doing(() => { session.addLabel(name.value); name.value = ''; }),
    { title: 'A label that this server was not set up with: it can be drawn and submitted' });
  /** @type {Map<string, ReturnType<typeof row>>} */
  const rows = new Map();

  function update() {
    const { labels } = session.open.work, text = search.value.trim().toLowerCase();
    search.hidden = labels.length <= LONG;
    for (const label of labels) {
      let found = rows.get(label.name);
      if (!found) {
        found = row(session, label);
        rows.set(label.name, found);
        list.append(found.element);
      }
      found.update(/** @type {Label} */ (session.open.work.label(label.name)));
      found.element.hidden = Boolean(text) && !label.name.toLowerCase().includes(text);
    }
  }
  return { name: 'labels', title: 'Labels', open: true, update,
    body: h('div', {}, search, list, h('div', { class: 'sl-row' }, name, add), h('div', { class: 'sl-row' }, 'Opacity', opacity), overwrite) };
}

/** @param {Session} session @param {Label} label */
function row(session, { name }) {
  const color = h('input', { type: 'color', 'aria-label': `Colour of ${name}`,
    oninput: () => session.setLook(name, { color: rgb(color.value) }) });
  const choose = h('button', { type: 'button', onclick: session.doing(() => session.activate(name)),
    dataset: { label: name } }, name);
  const told = h('span', { class: 'sl-small sl-note' });
  const eye = h('button', { type: 'button', onclick: () => session.setLook(name, { visible: eye.textContent === 'Show' }) });
  const lock = h('button', { type: 'button', onclick: () => session.setLook(name, { locked: lock.textContent === 'Lock' }),
    title: 'Answers and brushes never change a locked label' });
  const element = h('div', { class: 'sl-label' }, color, choose, told, eye, lock);
  return {
    element,
    update(/** @type {Label} */ label) {
      const active = session.open.work.active === name;
      color.value = hex(label.color);
      element.classList.toggle('sl-active', active);
      choose.setAttribute('aria-pressed', String(active));
      told.textContent = session.stored.stateOf(name) === 'empty' ? 'empty'
        : `${session.open.work.volumeMl(name).toFixed(1)} ml ${session.stored.stateOf(name)}`;
      eye.textContent = label.visible ? 'Hide' : 'Show';
      eye.setAttribute('aria-label', `${eye.textContent} ${name}`);
      lock.textContent = label.locked ? 'Unlock' : 'Lock';
      lock.setAttribute('aria-label', `${lock.textContent} ${name}`);
    },
  };
}
