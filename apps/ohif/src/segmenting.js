// Asking for segmentations: prompts, other candidates, proposals, uncertainty; long ones with progress and a way out.

import { Advice } from './advice.js';
import { placeOf, readNrrd, through } from './nrrd.js';
import { phaseOf } from './phases.js';
import { ServerError } from './server.js';
import { params, together } from './strokes.js';

/** @typedef {import('./session.js').Session} Session */
/** @typedef {{low: number[], shape: number[], voxels: Int8Array, scale: number, told: number | undefined}} Doubt */
/** @typedef {{map: Uint8Array, facts: Record<string, any>, names: string[]}} Proposal */
/** What was asked, to ask it again in another way.
 * @typedef {{label: string, model: string, params: Record<string, any>, ids: string[]}} Asked */
/** @typedef {{id: string, what: string, done: number, total: number | null, keep: boolean, dropped: boolean, stop: AbortController}} Job */

const POLL_MS = 200, UNKNOWN = 3;
const FRAGILE = 0.7; // Dice to expect below which a reader is warned

export class Segmenting {
  busy = false;
  volume = false; // follow through slices
  onClick = true;
  uncertain = false;
  /** Labels whose newest prompts were not sent yet. @type {Set<string>} */ #waiting = new Set();
  /** @type {Doubt | null} */ doubt = null;
  /** @type {Proposal | null} */ proposal = null;
  /** @type {Job | null} */ job = null;

  /** @param {Session} session */
  constructor(session) {
    this.session = session;
    this.advice = new Advice(session);
  }

  get #work() { return this.session.open.work; }
  get #series() { return this.session.open.case.series; }

  /** What the server said of the active label last, if that still stands. @returns {Record<string, any> | undefined} */
  get result() { return this.#work.facts[this.#work.active]; }

  /** The question that can be asked again: one about a slice. @returns {Asked | undefined} */
  get last() {
    const asked = /** @type {Asked | undefined} */ (this.result?.asked);
    return asked?.model === 'sam_2d' ? asked : undefined;
  }

  /** Whatever changes the label map takes doubt and advice away. */
  forget() {
    this.doubt = null;
    this.advice.forget();
  }

  /** One request after the other; prompts that come meanwhile go together in the next one. */
  async run(label = this.#work.active) {
    this.#waiting.add(label);
    if (!this.busy) await this.alone();
  }

  /** Nothing else is asked meanwhile. What waits by then is asked after it; an error of one costs the others nothing,
   * and the first error is told. @param {() => Promise<void>} [first] */
  async alone(first = async () => {}) {
    /** @type {unknown[]} */ const failed = [];
    const note = (/** @type {unknown} */ error) => { failed.push(error); };
    this.busy = true;
    await first().catch(note);
    for (const next of this.#waiting) {
      this.#waiting.delete(next);
      await this.#segment(next).catch(note);
    }
    this.busy = false;
    this.session.changed();
    if (failed.length) throw failed[0];
  }

  /** @param {string} label */
  async #segment(label) {
    const prompts = this.#work.promptsOf(label), last = prompts.at(-1);
    if (!last) throw new Error(`Click on the ${label} first.`);
    const used = together(prompts, this.volume);
    const asked = { ...(this.session.info.labels.includes(label) && { label }), ...(this.#work.tag && { tag: this.#work.tag }), ...(last.plane && { plane: last.plane }), result_compress: true, ...params(this.#work.grid, used) };
    this.session.say(this.volume ? `Following the ${label} through the slices ...` : `Segmenting ${label} ...`);
    await this.#answer({ label, model: this.volume ? 'sam_3d' : 'sam_2d', params: asked, ids: used.map(({ id }) => id) });
  }

  /** Another of the network's three masks. @param {number} candidate 0, 1 or 2 */
  async candidate(candidate) {
    const asked = this.last;
    if (!asked) throw new Error('Other candidates belong to an answer on one slice.');
    if (!this.busy) await this.alone(() => this.#answer({ ...asked, params: { ...asked.params, candidate } }));
  }

  /** Have another part of the adapter answer, from the last question on. @param {string} tag */
  async named(tag) {
    this.#work.tag = tag;
    if (this.#work.promptsOf(this.#work.active).length) await this.run();
  }

  /** @param {Asked} asked */
  async #answer(asked) {
    const work = this.#work, { label, model } = asked;
    const reply = model === 'sam_3d' ? await this.long(`${label} in 3D`, model, asked.params)
      : await this.session.server.infer(model, this.#series, asked.params);
    if (!reply) return this.session.say('Stopped: nothing was changed.');
    const { facts, file } = reply;
    const mask = await readNrrd(file);
    await this.#learnPlace(file);
    const there = new Set(work.prompts.map(({ id }) => id));
    if (work !== this.session.opened?.work || !asked.ids.every((id) => there.has(id))) return; // taken back meanwhile
    this.forget();
    const { at } = work.answer(label, mask, { ...facts, prompts: asked.params, asked }, asked.ids);
    const notes = [...(facts.warnings ?? []), ...this.#kept(facts, mask, at.length)].join('; ');
    this.session.say(`${label}: ${facts.voxels} voxels, score ${Number(facts.score).toFixed(2)}${phaseOf(facts)}${notes ? ` (${notes})` : ''}`);
    if (model !== 'sam_2d') return;
    if (this.uncertain) await this.askDoubt();
    this.advice.soon();
  }

  /** Of an image without a place in the patient viewer and server think differently: the server's word counts.
   * @param {Blob} file */
  async #learnPlace(file) {
    if (!this.session.ohif.isVolume(this.session.open.case.displaySet)) this.#work.header = await placeOf(file);
  }

  /** @param {Record<string, any>} facts @param {Uint8Array} mask @param {number} changed @returns {string[]} */
  #kept(facts, mask, changed) {
    if (!facts.voxels || changed || !mask.some(Boolean)) return [];
    return ['nothing new: it is there already, or the voxels belong to other labels'];
  }

  /**
   * A request that takes long: the bar follows its job, and it can be stopped.
   * @param {string} what @param {string} model @param {Record<string, any>} asked
   * @param {Blob} [label] the mask that it starts from
   * @returns {Promise<{facts: Record<string, any>, file: Blob} | null>} null where it was stopped
   */
  async long(what, model, asked, label) {
    const job = { id: crypto.randomUUID(), what, done: 0, total: null, keep: false, dropped: false, stop: new AbortController() };
    this.job = job;
    this.session.changed();
    this.#follow(job);
    try {
      const reply = await this.session.server.infer(model, this.#series, { ...asked, job: job.id, partial: true }, job.stop.signal, label);
      return job.dropped ? null : reply; // an answer may have been under way when it was stopped
    } catch (error) {
      // whatever the server says to a request that was dropped: it may have stopped before there was anything to keep
      if (job.dropped || job.stop.signal.aborted || (error instanceof ServerError && error.status === 499)) return null;
      throw error;
    } finally {
      this.job = null;
      this.session.changed();
    }
  }

  /** Until the job is over, or the server keeps saying that it knows none. @param {Job} job */
  async #follow(job) {
    for (let unknown = 0; unknown < UNKNOWN;) {
      await new Promise((done) => setTimeout(done, POLL_MS));
      if (this.job !== job) return;
      const told = await this.session.server.job(job.id).catch(() => null);
      unknown = told ? 0 : unknown + 1;
      if (!told || this.job !== job) continue;
      Object.assign(job, { done: told.done, total: told.total });
      this.session.changed();
    }
  }

  /** Stop the long request. @param {boolean} keep take what was found so far */
  async stop(keep) {
    const job = this.job;
    if (!job) return;
    job.keep = keep;
    job.dropped = !keep;
    const known = await this.session.server.cancel(job.id).catch(() => false);
    if (!keep || !known) job.stop.abort();
  }

  /** @param {boolean} on */
  async showDoubt(on) {
    this.uncertain = on;
    if (on && !this.doubt && this.last) await this.askDoubt();
    else if (on && !this.doubt) this.session.say('Uncertainty is shown with the next answer on one slice.');
    this.session.changed();
  }

  /** Asked for after the mask, which does not wait for it; the same prompts get the same mask again. */
  async askDoubt() {
    const asked = this.last, about = this.#work.facts;
    if (!asked) return;
    const facts = await this.session.server.facts('sam_2d', this.#series, { ...asked.params, uncertainty: true });
    const { low, shape, data, scale, expected_dice: expected } = facts.uncertainty;
    const packed = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
    const voxels = new Int8Array((await through(packed, new DecompressionStream('deflate'))).buffer);
    if (this.#work.facts !== about) return; // another mask came meanwhile
    this.doubt = { low, shape, voxels, scale, told: expected[asked.label] ?? Object.values(expected)[0] };
    this.session.changed();
  }

  /** What to say about the doubt. */
  get doubtTold() {
    if (!this.uncertain || !this.doubt) return '';
    const { told } = this.doubt;
    if (told === undefined) return 'The mask is too small to say how sure it is.';
    return `Unsure: yellow, very: red. Dice to expect: ${told.toFixed(2)}.`
      + (told < FRAGILE ? ' Take care: this answer is fragile; a point more decides it.' : '');
  }

  /** Labels without a click, shown until they are taken. @param {string} mode @param {'slice' | 'volume'} extent
   * @param {string[]} wanted names; empty means all */
  async propose(mode, extent, wanted) {
    const work = this.#work, { plane, slice } = this.session.where();
    this.session.say(`Asking for proposals (${mode}) ...`);
    const reply = await this.long(`proposals (${mode})`, 'sam_auto', {
      mode, extent, ...(work.tag && { tag: work.tag }), ...(plane && { plane }), slice, result_compress: true, ...(wanted.length && { label_prompt: wanted }) });
    if (!reply) return this.session.say('Stopped: nothing is proposed.');
    const mask = await readNrrd(reply.file), value = new Uint8Array(256);
    await this.#learnPlace(reply.file);
    const names = Object.entries(/** @type {Record<string, number>} */ (reply.facts.label_names))
      .filter(([name]) => work.valueOf(name) && (!wanted.length || wanted.includes(name)));
    names.forEach(([name, n]) => { value[n] = work.valueOf(name); });
    const map = mask.map((voxel) => value[voxel]), found = new Set(map);
    const proposed = names.map(([name]) => name).filter((name) => found.has(work.valueOf(name)));
    this.proposal = proposed.length ? { map, facts: reply.facts, names: proposed } : null;
    const notes = (reply.facts.warnings ?? []).join('; ');
    this.session.say(proposed.length ? `Proposed: ${proposed.join(', ')}.${notes ? ` Take care: ${notes}.` : ''}`
      : `Nothing was found${notes ? ` (${notes})` : ''}.`);
    this.session.changed();
  }

  /** @param {string} [name] one label; without it all that are proposed */
  takeProposal(name) {
    const { proposal } = this, work = this.#work;
    if (!proposal) throw new Error('Nothing is proposed.');
    const wanted = name ? [name] : proposal.names, values = new Set(wanted.map((each) => work.valueOf(each)));
    const part = proposal.map.map((value) => (values.has(value) ? value : 0));
    this.forget();
    const { at } = work.take(part, `the proposal of ${wanted.join(', ')}`,
      Object.fromEntries(wanted.map((each) => [each, { ...proposal.facts, prompts: { mode: proposal.facts.mode } }])));
    this.dropProposal(wanted);
    this.session.say(`Taken: ${wanted.join(', ')} (${at.length} voxels).`);
  }

  /** @param {string[]} names */
  dropProposal(names = this.proposal?.names ?? []) {
    const left = this.proposal?.names.filter((name) => !names.includes(name)) ?? [];
    const values = new Set(left.map((name) => this.#work.valueOf(name)));
    this.proposal = this.proposal && left.length
      ? { ...this.proposal, names: left, map: this.proposal.map.map((value) => (values.has(value) ? value : 0)) } : null;
    this.session.changed();
  }
}
