// Advice on the last answer: a sentence where it hangs on the hand, and the place where a click would help most.

import { ServerError } from './server.js';

/** @typedef {import('./session.js').Session} Session */
/** @typedef {{voxel: number[], positive: boolean, sentence: string}} Cure */
/** @typedef {{shown?: boolean, warn?: boolean, sentence?: string, edge?: number[] | null, cure?: Cure}} Told */

const IDLE_MS = 500; // a reader who clicks on is not advised

export class Advice {
  /** @type {Told | null} */ told = null;
  /** The series for which the server shows no warnings. */ #silent = '';
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
  /** @type {AbortController | null} */ #asking = null;

  /** @param {Session} session */
  constructor(session) { this.session = session; }

  /** Whatever changes the label map makes advice void, and stops the server's work on it. */
  forget() {
    clearTimeout(this.#timer);
    this.#asking?.abort();
    this.#asking = this.told = null;
  }

  /** An answer is there: ask about it once the reader rests. */
  soon() {
    if (this.#silent === this.session.open.case.series) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.ask('doubt').catch(() => {}), IDLE_MS); // nobody asked for it: nobody is told
  }

  /** @param {'doubt' | 'next'} wish */
  async ask(wish) {
    const { segmenting, server, open } = this.session, asked = segmenting.last;
    if (!asked) throw new Error('There is advice about an answer on one slice only.');
    if (segmenting.busy) return;
    this.forget();
    const asking = this.#asking = new AbortController();
    /** @type {Told | undefined} */ let told;
    try {
      const params = { ...asked.params, advice: wish };
      told = (await server.facts('sam_2d', open.case.series, params, asking.signal))?.advice;
    } catch (error) {
      if (asking.signal.aborted) return;
      throw error instanceof ServerError && error.status === 499 ? new Error('Clicked on meanwhile.') : error;
    }
    if (this.#asking !== asking || !told) return; // another answer came meanwhile
    if (told.shown === false) this.#silent = open.case.series;
    this.told = wish === 'next' || told.warn ? told : null;
    this.session.changed();
  }

  /** In words. */
  get text() { return [this.told?.sentence, this.told?.cure?.sentence].filter(Boolean).join(' '); }

  /** What is drawn: where the hand matters, and where a click would help. @returns {[number[], 'edge' | 'cure'][]} */
  get marks() {
    /** @type {[number[], 'edge' | 'cure'][]} */ const found = [];
    if (this.told?.edge) found.push([this.told.edge, 'edge']);
    if (this.told?.cure) found.push([this.told.cure.voxel, 'cure']);
    return found;
  }
}
