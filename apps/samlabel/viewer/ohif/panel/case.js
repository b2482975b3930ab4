// Which case it is, why this one, who has it, what is odd about it.

import { logOut } from '../signing.js';
import { button, h, tell } from './dom.js';

/** @param {import('../session.js').Session} session */
export function caseSection(session) {
  const title = h('div', { dataset: { samlabel: 'title' } });
  const why = h('div', { class: 'sl-note' });
  const lease = h('div', { dataset: { samlabel: 'lease' } });
  const note = h('div', { dataset: { samlabel: 'notice' } });
  const stored = h('div', { class: 'sl-note', dataset: { samlabel: 'stored' } });
  const reader = h('input', { type: 'text', size: 12, placeholder: 'your name', 'aria-label': 'Your name',
    title: 'Stands with what you submit', dataset: { samlabel: 'reader' },
    onchange: session.doing(() => session.setReader(reader.value.trim())) });
  const out = button('Log out', session.doing(() => logOut(session)), { hidden: true });
  return {
    name: 'case', title: 'Case', open: true,
    body: h('div', {}, title, why, h('div', { class: 'sl-row' }, 'Reader', reader, out), lease, note, stored),
    update() {
      tell(title, session.open.case.title);
      const { name } = session.server.login;
      if (document.activeElement !== reader) reader.value = session.server.reader;
      reader.disabled = Boolean(name);
      out.hidden = !name;
      tell(why, session.why ? `This case: ${session.why}.` : '');
      tell(lease, session.lease.text, session.lease.error);
      tell(note, session.note ? `Take care: ${session.note}.` : '', true);
      tell(stored, session.stored.told);
    },
  };
}
