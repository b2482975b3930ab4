// Several readers of one case: what each marked, how far they agree, and the decision of whoever may make it.

import { readNrrd } from './nrrd.js';

/** @typedef {import('./session.js').Session} Session */
/** @typedef {{reader: string, version: number, labels: string[]}} Reading */
/** @typedef {{label: string, first: string, second: string, dice: number, nsd: number}} Agreement */
/** @typedef {{by: string, choice: string, version: number, why: string}} Decision */
/** @typedef {{readings: Reading[], agreement?: Agreement[], proposal?: string, decision: Decision | null}} Told */

const MAY_DECIDE = ['reviewer', 'lead', 'admin'];
export const DRAWN = 'drawn', DIFFERENCE = 'difference';

/** Of the values of a difference: the same, one alone, the other alone, another label. */
export const SHADES = [[255, 255, 255, 0.25], [255, 90, 80, 0.75], [80, 150, 255, 0.75], [255, 215, 60, 0.8]];

export class Readers {
  /** @type {Told | null} */ told = null;
  /** Where the newest two differ. @type {Uint8Array | null} */ difference = null;
  /** What its values mean. @type {string[]} */ meaning = [];

  /** @param {Session} session */
  constructor(session) { this.session = session; }

  get #series() { return this.session.open.case.series; }

  /** Whether there is anything to see: a team of one never sees it. */
  get several() { return (this.told?.readings.length ?? 0) > 1; }

  /** Whether the reader may see what others marked, and decide. */
  get may() {
    const { name, role } = this.session.server.login;
    return !name || MAY_DECIDE.includes(role);
  }

  /** What can be decided, and its words. @returns {[string, string][]} */
  get choices() {
    const readings = (this.told?.readings ?? []).map(({ reader, version }) =>
      /** @type {[string, string]} */ ([String(version), `${reader} (version ${version})`]));
    const proposed = this.told?.proposal ?? '';
    /** @type {[string, string][]} */
    const consensus = ['majority', 'staple'].map((way) => [way, way + (way === proposed ? ' (proposed)' : '')]);
    return [...readings, ...consensus, [DRAWN, 'what I drew']];
  }

  /** @param {boolean} accepted whether the case has an accepted label at all */
  async refresh(accepted) {
    this.told = accepted ? await this.session.server.readings(this.#series) : null;
    this.difference = null;
  }

  /** @param {boolean} on */
  async showDifference(on) {
    this.difference = null;
    if (on) {
      const { file, names } = await this.session.server.reading(this.#series, DIFFERENCE);
      this.meaning = names;
      this.difference = await readNrrd(file);
    }
    this.session.changed();
  }

  /** Take one as a beginning: it can be corrected, and then be decided as what was drawn. @param {string} choice */
  async load(choice) {
    if (choice === DRAWN) throw new Error('That is on the screen already.');
    const { file, names } = await this.session.server.reading(this.#series, choice);
    const told = await this.session.stored.load(file, names, `the reading ${choice}`);
    this.session.say(told || 'Loaded: correct it, then decide on what you drew.');
  }

  /** In words. */
  get text() {
    if (!this.several || !this.told) return '';
    const { decision } = this.told;
    return decision ? `Decided by ${decision.by}: ${decision.choice}${decision.why ? ` (${decision.why})` : ''}.`
      : 'Several readers marked this case, and nobody has decided yet.';
  }
}
