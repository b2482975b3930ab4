// One visit of the mode: the case that is open, what the reader does in it, and who is told.

import { Labelmap } from './labelmap.js';
import { Layer } from './layer.js';
import { Lease } from './lease.js';
import { Ohif } from './ohif.js';
import { difference } from './overlap.js';
import { Panel } from './panel/panel.js';
import { Pointing } from './pointing.js';
import { Segmenting } from './segmenting.js';
import { Server } from './server.js';
import { watchLogin } from './signing.js';
import { Speaking } from './speaking.js';
import { Work } from './state.js';
import { StoredLabels } from './stored.js';
import { across } from './strokes.js';

/** @typedef {import('./ohif.js').Managers} Managers */
/** @typedef {import('./ohif.js').Case} Case */
/** @typedef {import('./ohif.js').Pane} Pane */
/** @typedef {{case: Case, work: Work, labelmap: Labelmap}} Open */

const DRAFT_MS = 2000, LEASE_MS = 60_000, SETTLE_MS = 700, WAIT_MS = 250, RETRY_MS = 3000;
const OPACITY = 0.45;

export class Session {
  server = new Server();
  /** @type {Open | null} */ opened = null;
  stored = new StoredLabels(this);
  segmenting = new Segmenting(this); speaking = new Speaking(this); layer = new Layer(this);
  /** @type {Record<string, any>} */ info = {};
  note = ''; why = '';
  lease = new Lease(this);
  opacity = OPACITY;
  status = { text: '', error: false };
  #opening = ''; #down = false; // the pointer
  #stop = new AbortController();
  /** @type {(() => void)[]} */ #ends = [];

  /** @param {Managers} managers */
  constructor(managers) {
    this.ohif = new Ohif(managers);
    this.pointing = new Pointing(this);
    this.panel = new Panel(this);
    watchLogin(this, this.#stop.signal);
    this.say('Loading the images ...');
    this.#listen();
  }

  /** The open case; only where one is open. @returns {Open} */
  get open() {
    if (!this.opened) throw new Error('No case is open yet.');
    return this.opened;
  }

  #listen() {
    const every = (/** @type {number} */ ms, /** @type {() => void} */ action) => {
      const timer = setInterval(action, ms);
      this.#ends.push(() => clearInterval(timer));
    };
    every(WAIT_MS, () => this.#look());
    every(DRAFT_MS, () => this.opened && this.doing(() => this.stored.keep())());
    every(LEASE_MS, () => this.lease.renew());
    every(1000, () => this.opened?.work.tick(document.visibilityState === 'visible', Date.now()));
    this.#ends.push(this.ohif.onDrawn((id) => {
      const pane = this.panes().find((each) => each.id === id);
      if (pane) this.layer.pane(pane);
    }), this.ohif.onPanes(() => this.opened && this.opened.labelmap.show(this.open.work.labels).catch(() => {})));
    this.#ends.push(() => this.pointing.stop());
    const { signal } = this.#stop;
    for (const kind of ['pointermove', 'pointerdown', 'keydown', 'wheel']) {
      window.addEventListener(kind, () => { if (this.opened) this.opened.work.moved = Date.now(); },
        { capture: true, passive: true, signal });
    }
    for (const kind of ['pointerdown', 'pointerup', 'pointercancel']) {
      window.addEventListener(kind, () => { this.#down = kind === 'pointerdown'; }, { capture: true, signal });
    }
    window.addEventListener('pagehide', () => this.leave(), { signal });
    window.addEventListener('beforeunload', (event) => { if (this.opened?.work.unsaved) event.preventDefault(); }, { signal });
  }

  /** The end of the visit. */
  end() {
    this.leave();
    this.#stop.abort();
    this.#ends.forEach((end) => end());
    this.layer.remove();
    this.panel.remove();
  }

  /** Whatever goes wrong in an action is a sentence in the panel. @param {(...given: any[]) => unknown} action */
  doing(action) {
    return async (/** @type {any[]} */ ...given) => {
      try {
        await action(...given);
      } catch (error) {
        this.say(/** @type {Error} */ (error).message, true);
      }
    };
  }

  /** @param {string} text @param {boolean} [error] */
  say(text, error = false) {
    this.status = { text, error };
    this.panel.update();
  }

  /** Something is to be shown anew. */
  changed() {
    this.panel.update();
    if (this.opened) this.layer.draw();
  }

  /** OHIF changes what its panes show at any time. */
  #look() {
    const found = this.ohif.openCase(), series = found?.series ?? '';
    if (!found || series === this.#opening || !this.ohif.loaded(found.displaySet)) return;
    this.#opening = series;
    this.doing(async () => {
      if (this.opened) await this.stored.keep().catch(() => {});
      this.leave();
      this.#opening = series;
      await this.#open(found).catch((error) => {
        setTimeout(() => { this.#opening = ''; }, RETRY_MS);
        throw error;
      });
    })();
  }

  /** @param {Case} found */
  async #open(found) {
    this.info = await this.server.info();
    const names = /** @type {string[]} */ (this.info.labels).filter((name) => name !== 'background');
    const labelmap = new Labelmap(this.ohif, found);
    const work = new Work(this.ohif.grid(found.displaySet), names, (changes) => labelmap.write(changes));
    await labelmap.open(work.labels);
    labelmap.write(difference(labelmap.read(), work.map)); // what an earlier visit left; its draft comes back
    work.changed = () => this.#touched();
    this.opened = { case: found, work, labelmap };
    this.#ends.push(labelmap.onPainted(() => this.#painted()));
    this.setOpacity(this.opacity);
    this.activate(work.active);
    this.why = sessionStorage.getItem('samlabel-reason') ?? '';
    sessionStorage.removeItem('samlabel-reason');
    await this.lease.hold();
    this.doing(async () => { this.note = await this.server.note(found.series); this.changed(); })();
    const restored = await this.stored.restore().catch((error) => { this.say(error.message, true); return true; });
    await this.stored.refresh().catch((error) => this.say(error.message, true));
    if (!restored) this.say(this.why ? `This case: ${this.why}.` : 'Ready: choose a label and a tool.');
    this.panel.ready = true;
    this.changed();
  }

  #touched() {
    this.segmenting.forget();
    this.lease.touched();
    this.changed();
  }

  /** The brush writes by itself: what it changed is found by comparing, once it rests. */
  #painted() {
    clearTimeout(this.settling);
    this.settling = setTimeout(() => (this.#down ? this.#painted() : this.settle()), SETTLE_MS);
  }

  /** Take over what OHIF's tools painted. */
  settle() {
    clearTimeout(this.settling);
    if (this.opened) this.opened.work.painted(this.opened.labelmap.read());
  }

  /** @type {ReturnType<typeof setTimeout> | undefined} */ settling;

  get activeId() { return this.ohif.services.viewportGridService.getActiveViewportId(); }

  panes() { return this.opened ? this.ohif.panes(this.opened.case.displaySet) : []; }
  /** @param {Pane} pane */
  planeOf(pane) { return this.ohif.plane(pane, this.open.case.displaySet); }
  /** @param {Pane} pane */
  axisOf(pane) { return across(this.open.work.grid, this.planeOf(pane)); }
  /** @param {Pane} pane @param {[number, number]} at */
  voxelAt(pane, at) { return this.ohif.voxelAt(pane, this.open.case.displaySet, at); }
  /** @param {Pane} pane @param {number[]} voxel */
  pixelOf(pane, voxel) { return this.ohif.pixelOf(pane, this.open.case.displaySet, voxel); }

  /** The plane and slice of the active pane. */
  where() {
    const pane = this.ohif.activePane(this.open.case.displaySet);
    if (!pane) throw new Error('No pane shows the case.');
    const { clientWidth, clientHeight } = pane.element;
    const voxel = this.voxelAt(pane, [clientWidth / 2, clientHeight / 2]);
    return { plane: this.planeOf(pane), slice: Math.round(voxel[this.axisOf(pane)]) };
  }

  /** Choose the label that prompts and brushes are about. @param {string} name */
  activate(name) {
    const { work, labelmap } = this.open;
    if (!work.label(name)) return;
    work.active = name;
    labelmap.activate(work.valueOf(name));
    this.changed();
  }

  /** A label that the server was not set up with. @param {string} given */
  addLabel(given) {
    const { work, labelmap } = this.open, name = given.trim();
    if (!name || name === 'background') throw new Error('Say what the new label is called.');
    if (!work.label(name)) labelmap.add(work.add(name));
    this.activate(name);
  }

  /** @param {number} step 1 or -1 */
  nextLabel(step) {
    const { work } = this.open, names = work.labels.map(({ name }) => name);
    this.activate(names[(names.indexOf(work.active) + step + names.length) % names.length]);
  }

  /** @param {string} name @param {Partial<import('./labelmap.js').Label>} look */
  setLook(name, look) {
    const label = this.open.work.label(name);
    if (label) this.open.labelmap.look(Object.assign(label, look));
    this.changed();
  }

  /** @param {number} alpha */
  setOpacity(alpha) {
    this.opacity = alpha;
    this.open.labelmap.opacity(alpha);
  }

  undo() {
    this.settle();
    const what = this.open.work.undo();
    this.say(what ? `Undone: ${what}.` : 'Nothing to undo.');
  }

  redo() {
    this.settle();
    const what = this.open.work.redo();
    this.say(what ? `Done again: ${what}.` : 'Nothing to do again.');
  }

  /** @param {string} comment */
  async submit(comment = '') {
    this.settle();
    await this.stored.submit(comment);
    this.lease.over();
  }

  /** @param {string} strategy */
  async next(strategy) {
    this.settle();
    if (this.open.work.dirty && !window.confirm('Leave with changes that are not submitted? The draft stays.')) return;
    await this.stored.keep();
    const sample = await this.server.next(strategy, this.open.case.series);
    if (!sample.StudyInstanceUID) {
      this.say('No other case is left: they have labels, or somebody else has them open.');
      return;
    }
    sessionStorage.setItem('samlabel-reason', sample.why || `chosen by ${strategy}`);
    const there = new URL(window.location.href);
    there.searchParams.set('StudyInstanceUIDs', sample.StudyInstanceUID);
    window.location.assign(there);
  }

  /** @param {string} name */
  async setReader(name) {
    if (this.opened) await this.server.leave(this.opened.case.series);
    this.server.reader = name;
    if (this.opened) await Promise.all([this.stored.refresh(), this.lease.hold()]);
  }

  leave() {
    if (this.opened) this.server.leave(this.opened.case.series);
    this.opened = null;
    this.#opening = '';
    this.panel.ready = false;
  }
}

/** @type {Session | null} */
let session = null;

/** Where the panel is, whenever OHIF shows it: that may be before the mode is entered. */
export const place = document.createElement('div');
place.style.height = '100%';

/** @param {Managers} managers */
export function enter(managers) {
  session?.end();
  session = new Session(managers);
  place.replaceChildren(session.panel.element);
}

export function leave() {
  session?.end();
  session = null;
}

export const current = () => session;
