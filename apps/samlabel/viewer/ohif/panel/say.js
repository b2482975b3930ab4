// A line for commands in words: arrow keys bring back what was said, Tab completes, and a microphone where speech stays here.

import { completed, ownEars } from '../speaking.js';
import { button, h, tell } from './dom.js';

/** @param {import('../session.js').Session} session */
export function saySection(session) {
  const { speaking } = session, hint = h('div', { class: 'sl-note', 'aria-live': 'polite' });
  const line = h('input', { type: 'text', 'aria-label': 'Command', placeholder: 'segment liver; box bigger 5 mm; undo',
    autocomplete: 'off', spellcheck: 'false', dataset: { samlabel: 'say' }, onkeydown: pressed, oninput: hinted });
  const say = session.doing(async () => {
    const text = line.value;
    await speaking.say(text);
    if (line.value === text) line.value = '';
    hinted();
  });
  const run = button('Do', say), ears = button('Speak', () => {}, { hidden: true, title: 'Recognised on this device' });
  ownEars().then((found) => {
    if (!found) return;
    ears.hidden = false;
    ears.onclick = session.doing(() => found.start());
    found.onresult = (/** @type {any} */ { results }) => {
      line.value = results[results.length - 1][0].transcript;
      say();
    };
    found.onerror = (/** @type {any} */ { error }) => session.say(`Nothing was heard (${error}).`, true);
  });

  function hinted() {
    const found = completed(line.value, speaking.known);
    tell(hint, found ? `Tab: ${found}` : '');
  }

  /** @param {KeyboardEvent} event */
  function pressed(event) {
    event.stopPropagation(); // the viewer has keys of its own
    const found = completed(line.value, speaking.known);
    if (event.key === 'Enter') say();
    else if (event.key === 'ArrowUp') line.value = speaking.sayings.walk(-1);
    else if (event.key === 'ArrowDown') line.value = speaking.sayings.walk(1);
    else if (event.key === 'Tab' && !event.shiftKey && found) line.value = found;
    else return;
    event.preventDefault();
    hinted();
  }
  return { name: 'say', title: 'Say', open: true, update() { run.disabled = session.segmenting.busy; },
    body: h('div', {}, h('div', { class: 'sl-row' }, line, run, ears), hint) };
}
