// Commands in words: what was said before, what could be meant, and what the server made of it as one step of the history.

import { readNrrd, writeNrrd } from './nrrd.js';
import { params } from './strokes.js';

/** @typedef {import('./session.js').Session} Session */
/** @typedef {import('./strokes.js').Prompt} Prompt */
/** @typedef {import('./geometry.js').Plane} Plane */

const SAID = 'samlabel-said', MOST = 50, MODEL = 'sam_text';
const APART = /^(.*(?:;|\bthen\b|\bdann\b)\s*)?(.*)$/is;

/** The sentence that begins as what is typed; of several commands the last one is completed.
 * @param {string} typed @param {string[]} known @returns {string} empty where there is none */
export function completed(typed, known) {
  const [, before = '', last = ''] = APART.exec(typed) ?? [];
  const begun = last.trimStart().toLowerCase();
  const found = begun && known.find((one) => one.toLowerCase().startsWith(begun) && one.length > begun.length);
  return found ? before + found : '';
}

/** What was said, newest last, as the arrow keys walk through it. */
export class Sayings {
  /** @param {Pick<Storage, 'getItem' | 'setItem'>} storage */
  constructor(storage = localStorage) {
    this.storage = storage;
    /** @type {string[]} */ this.every = JSON.parse(storage.getItem(SAID) || '[]');
    this.place = this.every.length;
  }

  /** @param {string} text */
  add(text) {
    this.every = [...this.every.filter((one) => one !== text), text].slice(-MOST);
    this.place = this.every.length;
    this.storage.setItem(SAID, JSON.stringify(this.every));
  }

  /** @param {number} step -1 for the one before @returns {string} empty after the newest */
  walk(step) {
    this.place = Math.max(0, Math.min(this.every.length, this.place + step));
    return this.every[this.place] ?? '';
  }
}

/** What a reply says the prompts of a label are now; strokes and lassos stay as they were.
 * @param {Prompt[]} prompts @param {string} label @param {Record<string, any>} facts @returns {Prompt[]} */
export function promptsAfter(prompts, label, facts) {
  const { foreground, background, roi } = facts.prompts, plane = /** @type {Plane | ''} */ (facts.plane ?? '');
  const axis = 'ijk'.indexOf(facts.axis);
  const kept = prompts.filter((one) => one.label !== label || one.plane !== plane || (one.kind !== 'point' && one.kind !== 'box'));
  /** @param {Prompt['kind']} kind @param {1 | -1} sign @param {number[][]} voxels @returns {Prompt} */
  const made = (kind, sign, voxels) =>
    ({ id: crypto.randomUUID(), label, kind, sign, plane, slice: voxels[0][axis], voxels });
  const box = roi ? [made('box', 1, [[roi[0], roi[2], roi[4]], [roi[1], roi[3], roi[5]]])] : [];
  return [...kept, ...box, ...foreground.map((/** @type {number[]} */ at) => made('point', 1, [at])),
    ...background.map((/** @type {number[]} */ at) => made('point', -1, [at]))];
}

export class Speaking {
  sayings = new Sayings();

  /** @param {Session} session */
  constructor(session) { this.session = session; }

  /** Sentences that the server understands. @returns {string[]} */
  get known() { return this.session.info.models?.[MODEL]?.config?.text ?? []; }

  /** @param {string} text */
  async say(text) {
    const said = text.trim(), { session } = this;
    if (!said) throw new Error('Say what is to be done: segment liver, box bigger 5 mm, undo ...');
    session.settle();
    this.sayings.add(said);
    await session.segmenting.alone(() => this.#done(said));
  }

  /** @param {string} text */
  async #done(text) {
    const { session } = this, { work } = session.open, label = work.active, last = work.history.done.at(-1);
    const mask = work.map.map((value) => (value === work.valueOf(label) ? 1 : 0));
    const { plane, slice } = session.where();
    const here = work.promptsOf(label).filter((one) => one.plane === plane);
    const { foreground, background, roi } = params(work.grid, here);
    const file = mask.some(Boolean) ? await writeNrrd(mask, work.grid, work.header) : undefined;
    const candidate = work.facts[label]?.candidate;
    session.say(`${text} ...`);
    const reply = await session.segmenting.long(text, MODEL, {
      text, slice, foreground, background, boxes: this.#boxes(label), result_compress: true, ...(plane && { plane }),
      ...(session.info.labels.includes(label) && { label }), ...(roi && { roi }),
      ...(Number.isInteger(candidate) && { candidate }) }, file);
    if (!reply) return session.say('Stopped: nothing was changed.');
    if (work !== session.opened?.work) return;
    session.settle();
    if (work.history.done.at(-1) !== last) throw new Error('Something else changed meanwhile: say it again.');
    await this.#shown(text, reply, { ...session.where(), label });
    for (const wish of reply.facts.actions) await this.#granted(wish);
  }

  /** Where the other labels are: a neighbour says where one is. @param {string} label */
  #boxes(label) {
    const { work } = this.session.open, [ni, nj] = work.grid.dimensions;
    const ends = work.labels.map(() => [Infinity, -1, Infinity, -1, Infinity, -1]);
    const place = new Map(work.labels.map(({ value }, n) => [value, n]));
    for (let at = 0; at < work.map.length; at++) {
      const end = work.map[at] ? ends[place.get(work.map[at]) ?? -1] : undefined;
      if (!end) continue;
      [at % ni, Math.floor(at / ni) % nj, Math.floor(at / (ni * nj))].forEach((v, axis) => {
        end[2 * axis] = Math.min(end[2 * axis], v);
        end[2 * axis + 1] = Math.max(end[2 * axis + 1], v);
      });
    }
    return Object.fromEntries(work.labels.flatMap(({ name }, n) => (name !== label && ends[n][1] >= 0 ? [[name, ends[n]]] : [])));
  }

  /** @param {string} text @param {{facts: Record<string, any>, file: Blob}} reply
   * @param {{label: string, plane: string, slice: number}} was */
  async #shown(text, { facts, file }, was) {
    const { session } = this, { work } = session.open;
    const named = facts.commands.some((/** @type {any} */ one) => one.read.startsWith('segment '));
    const label = named ? facts.label : was.label; // a label of the reader's own has no name at the server
    if (!work.label(label)) session.addLabel(label);
    const mask = await readNrrd(file), prompts = promptsAfter(work.prompts, label, facts);
    const { slice, ...told } = facts;
    if (facts.commands.some((/** @type {any} */ one) => !facts.actions.includes(one.read) && !one.read.endsWith(' slice'))) {
      work.said(label, mask, text, prompts, { ...told, prompts: { text, ...facts.prompts } });
    }
    if (label !== was.label) session.activate(label);
    if (facts.plane !== was.plane || slice !== was.slice) this.#lookAt(slice);
    const read = facts.commands.map((/** @type {any} */ one) => one.read).join(', ');
    const notes = facts.warnings.join('; ');
    session.say(`${label}: ${read}; ${facts.voxels} voxels${notes ? ` (${notes})` : ''}`);
  }

  /** Bring another slice into the active pane. @param {number} slice */
  #lookAt(slice) {
    const { ohif, open: { case: { displaySet } } } = this.session, pane = ohif.activePane(displaySet);
    if (!pane) return;
    const { clientWidth, clientHeight } = pane.element;
    const voxel = Array.from(this.session.voxelAt(pane, [clientWidth / 2, clientHeight / 2]), Math.round);
    voxel[this.session.axisOf(pane)] = slice;
    ohif.show(pane, displaySet, voxel);
  }

  /** What the server leaves to whoever keeps the history. @param {string} wish */
  async #granted(wish) {
    if (wish === 'undo') this.session.undo();
    else if (wish === 'redo') this.session.redo();
    else await this.session.submit();
  }
}

/** A recogniser that listens on this device and sends nothing away; null where the browser has none.
 * @param {any} [scope] @returns {Promise<any>} */
export async function ownEars(scope = globalThis) {
  const Kind = scope.SpeechRecognition;
  if (typeof Kind?.available !== 'function') return null;
  const lang = scope.navigator?.language?.startsWith('de') ? 'de-DE' : 'en-US';
  const there = await Kind.available({ langs: [lang], processLocally: true }).catch(() => 'unavailable');
  if (there !== 'available') return null;
  return Object.assign(new Kind(), { lang, processLocally: true, interimResults: false, maxAlternatives: 1 });
}
