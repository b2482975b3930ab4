// Labels and drafts of the case: submit, re-open, withdraw; keep, restore, discard.

import * as local from './drafts.js';
import { placeOf, readNrrd, writeNrrd } from './nrrd.js';
import { DRAWN, Readers } from './readers.js';
import { FINAL } from './server.js';

/** @typedef {import('./session.js').Session} Session */
/** @typedef {import('./server.js').Stored} Stored */
/** @typedef {import('./strokes.js').Prompt} Prompt */

const HERE_ONLY = 'The draft is kept on this machine only';

const time = (/** @type {number} */ seconds) =>
  new Date(seconds * 1000).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
const names = (/** @type {Stored} */ found) => found.label_info.map(({ name }) => name).join(', ');

export class StoredLabels {
  // One after the other: a draft on its way must not arrive after the submission that made it void.
  #last = Promise.resolve();
  /** @type {Stored | null} */ final = null;
  /** @type {Stored | null} */ draft = null;

  /** @param {Session} session */
  constructor(session) {
    this.session = session;
    this.readers = new Readers(session);
  }

  get #work() { return this.session.open.work; }
  get #series() { return this.session.open.case.series; }
  get #key() { return [this.session.server.base, this.session.server.draftTag, this.session.open.case.study, this.#series].join(' '); }

  /** @param {() => Promise<void>} action @returns {Promise<void>} */
  #inTurn(action) {
    this.#last = this.#last.catch(() => {}).then(action);
    return this.#last;
  }

  /** The segmentation as the server stores it: values 1..n without gaps, their names, and how it came about. */
  async #packed() {
    const work = this.#work;
    const present = work.labels.filter(({ value }) => work.counts[value] > 0);
    const number = new Uint8Array(256);
    present.forEach(({ value }, n) => { number[value] = n + 1; });
    const file = await writeNrrd(work.map.map((value) => number[value]), work.grid, work.header);
    const last = Object.values(work.facts).at(-1) ?? {};
    const facts = {
      label_info: present.map(({ name }, n) => ({ name, idx: n + 1 })), algorithm_type: work.algorithmType,
      model: last.model || '', adapter: last.adapter || '', client_id: this.session.server.reader || 'local',
      seconds: work.seconds, clicks: work.prompts.length,
      prompts: Object.fromEntries(Object.entries(work.facts).map(([label, told]) => [label, told.prompts])),
    };
    return { names: present.map(({ name }) => name), file, facts };
  }

  /** @param {string} comment */
  submit(comment) {
    return this.#inTurn(async () => {
      const { names: given, file, facts } = await this.#packed();
      if (!given.length) throw new Error('There is nothing to submit yet.');
      this.session.say('Submitting ...');
      const answer = await this.session.server.save(this.#series, FINAL, { ...facts, ...(comment && { comment }) }, file);
      this.#work.dirty = this.#work.unsaved = false;
      await this.#forgetDraft();
      await this.refresh();
      // A label in doubt is saved all the same: its reader is told what somebody will look at.
      this.session.say(`Submitted: ${given.join(', ')}.${answer.message ? ` Take care: ${answer.message}.` : ''}`);
    });
  }

  /** Decide between several readers: a label becomes the accepted one. @param {string} choice @param {string} why */
  decide(choice, why) {
    return this.#inTurn(async () => {
      const own = choice === DRAWN;
      const { names: given, file, facts } = own ? await this.#packed() : { names: [], file: undefined, facts: {} };
      if (own && !given.length) throw new Error('Nothing is drawn yet.');
      const told = await this.session.server.adjudicate(this.#series, choice, why, facts, file);
      if (own) {
        this.#work.dirty = this.#work.unsaved = false;
        await this.#forgetDraft();
      }
      await this.refresh();
      this.session.say(`Decided: version ${told.version} is the accepted label; everybody's own stays in the ledger.`);
    });
  }

  /** A label map of the server as work that can be corrected; a sentence when a name was new here.
   * @param {Blob} file @param {string[]} given names of its values @param {string} what */
  load(file, given, what) {
    return this.#load(file, { label_info: given.map((name, n) => ({ name, idx: n + 1 })) }, what);
  }

  async withdraw() {
    if (!window.confirm('Withdraw the accepted label of this case?')) return;
    await this.session.server.forget(this.#series, FINAL);
    await this.refresh();
    this.session.say('Withdrawn: the case counts as not labelled again.');
  }

  async reopen() {
    const found = await this.session.server.stored(this.#series, FINAL);
    if (!found) throw new Error('There is no accepted label for this case.');
    const told = await this.#load(await this.session.server.label(this.#series, FINAL), found, 'the loaded label');
    this.#work.dirty = this.#work.unsaved = false;
    this.session.changed();
    this.session.say(told || 'Loaded: correct it and submit again.');
  }

  /** What is not submitted is kept here and on the server, so that no crash loses it. */
  keep() {
    const work = this.#work;
    if (!work.unsaved || this.session.segmenting.busy) return Promise.resolve();
    return this.#inTurn(async () => {
      if (!work.unsaved) return; // it was submitted meanwhile
      work.unsaved = false;
      try {
        const { names: given, file, facts } = await this.#packed();
        const all = { ...facts, drawn: work.prompts, facts: work.facts, origin: work.origin, kept_at: Date.now() / 1000 };
        if (work.empty) return await this.#forgetDraft();
        await local.keep(this.#key, { ts: all.kept_at, names: given, file, facts: all }).catch(() => {});
        if (given.length) await this.session.server.save(this.#series, this.session.server.draftTag, all, file);
        if (this.session.status.text.startsWith(HERE_ONLY)) this.session.say('The draft is kept on the server again.');
      } catch (error) {
        work.unsaved = true;
        throw new Error(`${HERE_ONLY}: ${/** @type {Error} */ (error).message}`);
      } finally {
        await this.refresh().catch(() => {});
      }
    });
  }

  /** A draft comes back by itself: a reader who began anew would overwrite it. Of two the newer one counts.
   * @returns {Promise<boolean>} */
  async restore() {
    const here = await local.kept(this.#key).catch(() => undefined);
    const there = await this.session.server.stored(this.#series, this.session.server.draftTag);
    const mine = here && (!there || here.ts > (there.kept_at ?? there.ts ?? 0) + 1) ? here : undefined;
    const found = mine ? /** @type {Stored} */ (mine.facts) : there;
    if (!found) return false;
    const file = mine ? mine.file : await this.session.server.label(this.#series, this.session.server.draftTag);
    const drawn = /** @type {Prompt[]} */ (found.drawn ?? []).filter(({ voxels }) => voxels);
    const told = await this.#load(file, found, 'the draft', drawn, found.facts ?? {});
    this.#work.seconds = found.seconds || 0;
    this.#work.unsaved = false;
    this.session.say(told || `Restored: your draft of ${time(found.kept_at ?? found.ts)} (${names(found)}).`);
    return true;
  }

  discard() {
    return this.#inTurn(async () => {
      if (!window.confirm('Throw away what is not submitted in this case?')) return;
      this.#work.replace(new Uint8Array(this.#work.map.length), 'everything', { prompts: [], facts: {} });
      Object.assign(this.#work, { dirty: false, unsaved: false, seconds: 0, origin: null, brushed: false });
      await this.#forgetDraft();
      await this.refresh();
      this.session.say('The draft is gone; the accepted label, if there is one, stays.');
    });
  }

  async #forgetDraft() {
    await local.forget(this.#key).catch(() => {});
    await this.session.server.forget(this.#series, this.session.server.draftTag);
  }

  /** Put a stored label on the screen; a sentence when one of its names was new here.
   * @param {Blob} file @param {Stored} found @param {string} what
   * @param {Prompt[]} [prompts] @param {Record<string, any>} [facts] */
  async #load(file, found, what, prompts, facts) {
    const mask = await readNrrd(file), work = this.#work;
    if (!this.session.ohif.isVolume(this.session.open.case.displaySet)) work.header = await placeOf(file);
    const value = new Uint8Array(256), foreign = found.label_info.map(({ name }) => name).filter((name) => !work.valueOf(name));
    const { active } = work;
    foreign.forEach((name) => this.session.addLabel(name)); // without them a submission would lose them
    this.session.activate(active);
    found.label_info.forEach(({ name }, n) => { value[n + 1] = work.valueOf(name); });
    work.replace(mask.map((voxel) => value[voxel]), what, { ...(prompts && { prompts }), ...(facts && { facts }) });
    work.origin = found.algorithm_type || 'SEMIAUTOMATIC';
    return foreign.length ? `Loaded; ${foreign.join(', ')}: not among this server's labels.` : '';
  }

  /** Ask the server what it has. */
  async refresh() {
    this.final = await this.session.server.stored(this.#series, FINAL);
    this.draft = await this.session.server.stored(this.#series, this.session.server.draftTag);
    await this.readers.refresh(this.final !== null);
    this.session.changed();
  }

  /** In words. */
  get told() {
    const by = this.final?.reader ? ` (${this.final.reader})` : '';
    return (this.final ? `Accepted label: ${names(this.final)}${by}. ` : '')
      + (this.draft ? `Draft of ${time(this.draft.ts)}: ${names(this.draft)}.` : '');
  }

  /** @param {string} name @returns {'accepted' | 'draft' | 'empty'} */
  stateOf(name) {
    if (!this.#work.dirty && this.final?.label_info.some((entry) => entry.name === name)) return 'accepted';
    return this.#work.counts[this.#work.valueOf(name)] ? 'draft' : 'empty';
  }
}
