// Where several readers marked one case: how far they agree, where they differ, and what it shall be.

import { button, check, h, tell } from './dom.js';

/** @typedef {import('../readers.js').Agreement} Agreement */

const percent = (/** @type {number} */ share) => `${Math.round(100 * share)} %`;

/** @param {import('../session.js').Session} session */
export function readersSection(session) {
  const { readers } = session.stored;
  const told = h('div', { dataset: { samlabel: 'readers' } });
  const rows = h('div', { class: 'sl-note', dataset: { samlabel: 'agreement' } });
  const shown = check('difference', false, session.doing((/** @type {boolean} */ on) => readers.showDifference(on)),
    { title: 'Show where the newest two differ', dataset: { samlabel: 'difference' } });
  const legend = h('div', { class: 'sl-note' });
  const choice = h('select', { 'aria-label': 'Which label' });
  const why = h('input', { type: 'text', placeholder: 'why', 'aria-label': 'Why', maxlength: 500 });
  const load = button('Load', session.doing(() => readers.load(choice.value)), { title: 'Begin with this one' });
  const decide = button('Decide', session.doing(async () => {
    await session.stored.decide(choice.value, why.value.trim());
    why.value = '';
  }), { title: 'This becomes the accepted label; everybody\'s own stays' });
  const hands = h('div', {}, h('div', { class: 'sl-row' }, choice, load), h('div', { class: 'sl-row' }, why, decide));
  const section = {
    name: 'readers', title: 'Readers', open: true,
    body: h('div', {}, told, rows, shown, legend, hands),
    update() {
      const details = section.body.closest('details');
      if (details) details.hidden = !readers.several;
      if (!readers.several) return;
      tell(told, readers.text);
      tell(rows, (readers.told?.agreement ?? []).map(line).join('; '));
      hands.hidden = shown.hidden = !readers.may;
      const box = shown.querySelector('input');
      if (box) box.checked = readers.difference !== null;
      tell(legend, readers.difference ? `White ${readers.meaning[0]}, red ${readers.meaning[1]}, blue ${readers.meaning[2]}, `
        + `yellow ${readers.meaning[3]}.` : '');
      const before = choice.value, wanted = readers.choices;
      if (wanted.map(([, words]) => words).join() !== [...choice.options].map(({ text }) => text).join()) {
        choice.replaceChildren(...wanted.map(([value, words]) => new Option(words, value)));
        choice.value = wanted.some(([value]) => value === before) ? before : wanted[0][0];
      }
    },
  };
  return section;
}

/** @param {Agreement} row */
const line = ({ label, first, second, dice, nsd }) =>
  `${label}: ${first} and ${second} agree by a Dice of ${dice.toFixed(2)}, ${percent(nsd)} of the surface within 2 mm`;
