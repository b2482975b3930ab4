// The panel: sections that fold, and one line that says what happens.

import { caseSection } from './case.js';
import { button, h, tell } from './dom.js';
import { labelSection } from './labels.js';
import { learningSection } from './learning.js';
import { promptSection } from './prompt.js';
import { proposeSection } from './propose.js';
import { readersSection } from './readers.js';
import { resultSection } from './result.js';
import { saySection } from './say.js';
import { STYLE } from './style.js';
import { submitSection } from './submit.js';

/** @typedef {import('../session.js').Session} Session */
/** @typedef {{name: string, title: string, open: boolean, body: HTMLElement, foot?: HTMLElement,
 *   update: () => void, end?: () => void}} Section */

const FOLDED = 'samlabel-folded';

export class Panel {
  ready = false;
  #waiting = false;

  /** @param {Session} session */
  constructor(session) {
    this.session = session;
    this.status = h('div', { class: 'sl-status', role: 'status', 'aria-live': 'polite', dataset: { samlabel: 'status' } });
    const { login } = session.server;
    this.login = h('div', { class: 'sl-row sl-login', hidden: true, dataset: { samlabel: 'login' } },
      button('Log in', session.doing(() => login.open()), { class: 'sl-main' }));
    /** @type {Section[]} */
    this.sections = [caseSection, labelSection, promptSection, saySection, proposeSection, resultSection, submitSection,
      readersSection, learningSection].map((make) => make(session));
    this.element = h('div', { class: 'sl sl-waiting', id: 'samlabel', role: 'region', 'aria-label': 'samlabel',
      onclick: letGo, onkeydown: pressed },
      h('style', {}, STYLE), this.status, this.login, ...this.sections.map((section) => this.#folding(section)),
      ...this.sections.flatMap(({ foot }) => foot ?? []));
  }

  /** @param {Section} section */
  #folding({ name, title, open, body }) {
    const folded = JSON.parse(localStorage.getItem(FOLDED) || '{}');
    const details = h('details', { open: folded[name] === undefined ? open : !folded[name], dataset: { section: name },
      ontoggle: () => localStorage.setItem(FOLDED,
        JSON.stringify({ ...JSON.parse(localStorage.getItem(FOLDED) || '{}'), [name]: !details.open })) },
    h('summary', {}, title), body);
    body.classList.add('sl-body');
    return details;
  }

  /** Show the present state, once per picture. */
  update() {
    if (this.#waiting) return;
    this.#waiting = true;
    queueMicrotask(() => {
      this.#waiting = false;
      tell(this.status, this.session.status.text, this.session.status.error);
      this.login.hidden = !this.session.server.login.needed;
      this.element.dataset.ready = this.ready ? 'yes' : 'no';
      this.element.classList.toggle('sl-waiting', !this.session.opened);
      if (this.session.opened) this.sections.forEach((section) => section.update());
    });
  }

  remove() {
    this.sections.forEach((section) => section.end?.());
    this.element.remove();
  }
}

/** Keys do nothing while a box or a button has the focus: a mouse that pressed one gives it back. @param {MouseEvent} event */
function letGo({ target, detail }) {
  if (detail && target instanceof HTMLElement && target.matches('button, input[type=checkbox], summary')) target.blur();
}

/** Enter and the space bar press what has the focus, whatever else the viewer has them for. @param {KeyboardEvent} event */
function pressed(event) {
  if (event.key === 'Enter' || event.key === ' ') event.stopPropagation();
}
