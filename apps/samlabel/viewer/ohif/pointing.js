// What the left button does in the panes of the case: prompts that are drawn, or one of OHIF's own tools.

import { Drawing, PROMPT, onTool, takeTool, toolTaken } from './tools.js';
import { DRAGGED, promptOf } from './strokes.js';

/** @typedef {import('./session.js').Session} Session */
/** @typedef {import('./strokes.js').Kind} Kind */

export class Pointing {
  /** The kind of prompt, or nothing while another tool is taken. @type {Kind | ''} */ kind = '';
  /** @type {1 | -1} */ sign = 1;
  tool = '';

  /** @param {Session} session */
  constructor(session) {
    this.session = session;
    const drawing = new Drawing({
      paneAt: (x, y) => session.panes().find(({ element }) => {
        const { left, right, top, bottom } = element.getBoundingClientRect();
        return x >= left && x < right && y >= top && y < bottom;
      }),
      active: () => Boolean(session.opened && this.kind) && toolTaken(session.ohif) === PROMPT,
      begun: (id) => session.ohif.activate(id),
      moved: (id, path) => this.#sketch(id, path),
      ended: (id, path) => session.doing(() => this.#drawn(id, path))(),
    });
    const forget = onTool(session.ohif, (name) => this.#taken(name));
    this.stop = () => { drawing.stop(); forget(); };
  }

  /** Draw prompts from now on. @param {Kind} kind @param {1 | -1} sign */
  draw(kind, sign) { this.#take(kind, sign, PROMPT); }

  /** @param {string} tool one of OHIF's own */
  take(tool) {
    this.session.activate(this.session.open.work.active);
    this.#take('', 1, tool);
  }

  /** @param {Kind | ''} kind @param {1 | -1} sign @param {string} tool */
  #take(kind, sign, tool) {
    Object.assign(this, { kind, sign, tool });
    takeTool(this.session.ohif, tool);
    this.session.changed();
  }

  /** The toolbar took the left button. @param {string} name */
  #taken(name) {
    if (name === this.tool) return;
    Object.assign(this, { kind: '', sign: 1, tool: '' });
    this.session.changed();
  }

  /** @param {string} id @param {[number, number][]} path */
  #sketch(id, path) {
    const { layer } = this.session;
    layer.sketch = { id, kind: this.kind, sign: this.sign, path };
    const pane = this.session.panes().find((each) => each.id === id);
    if (pane && this.kind !== 'point') layer.pane(pane);
  }

  /** @param {string} id @param {[number, number][]} path */
  async #drawn(id, path) {
    const { session, kind, sign } = this, { work } = session.open;
    session.layer.sketch = null;
    const pane = session.panes().find((each) => each.id === id);
    if (!pane || !kind) return;
    const what = { id: crypto.randomUUID(), label: work.active, kind, sign, plane: session.planeOf(pane) };
    const far = Math.max(...path.map(([x, y]) => Math.hypot(x - path[0][0], y - path[0][1])));
    const short = (kind === 'box' || kind === 'lasso') && far < DRAGGED;
    const prompt = short ? null : promptOf(work.grid, what, path.map((at) => session.voxelAt(pane, at)));
    if (!prompt) {
      session.say(`Drag to draw a ${kind}.`);
      session.changed();
      return;
    }
    work.place(prompt);
    if (session.segmenting.onClick) await session.segmenting.run(prompt.label);
  }
}
