import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Sayings, completed, ownEars, promptsAfter } from '../src/speaking.js';
import { Work } from '../src/state.js';

const GRID = { dimensions: [4, 4, 2], spacing: [10, 10, 10], origin: [0, 0, 0], direction: [1, 0, 0, 0, 1, 0, 0, 0, 1] };
const storage = () => ({ kept: {}, getItem(name) { return this.kept[name] ?? null; }, setItem(name, text) { this.kept[name] = text; } });

test('what is typed is completed, of several commands the last one', () => {
  const known = ['segment liver', 'segment spleen', 'box bigger 5 mm'];
  assert.equal(completed('Seg', known), 'segment liver');
  assert.equal(completed('segment liver; bo', known), 'segment liver; box bigger 5 mm');
  assert.equal(completed('undo then segment s', known), 'undo then segment spleen');
  assert.deepEqual(['', 'undo; ', 'segment liver', 'xyz'].map((typed) => completed(typed, known)), ['', '', '', '']);
});

test('arrow keys walk through what was said, each once, and the next visit knows it', () => {
  const kept = storage(), sayings = new Sayings(kept);
  ['undo', 'redo', 'undo'].forEach((text) => sayings.add(text));
  assert.deepEqual([-1, -1, -1, 1, 1].map((step) => sayings.walk(step)), ['undo', 'redo', 'redo', 'undo', '']);
  assert.equal(new Sayings(kept).walk(-1), 'undo');
});

test('words and mouse share one history: every step comes back to the bit', () => {
  const work = new Work(GRID, ['liver', 'spleen'], () => {}), states = [];
  const mask = (...voxels) => Uint8Array.from({ length: 32 }, (_, n) => (voxels.includes(n) ? 1 : 0));
  const facts = { axis: 'k', plane: 'axial', prompts: { foreground: [[1, 0, 1]], background: [], roi: [0, 2, 0, 1, 1, 1] } };
  const seen = () => states.push([Array.from(work.map), JSON.stringify(work.prompts)]);
  seen();
  work.place({ id: 'a', label: 'liver', kind: 'point', sign: 1, plane: 'axial', slice: 0, voxels: [[0, 0, 0]] });
  seen();
  work.said('liver', mask(3, 4, 20), 'segment liver', promptsAfter(work.prompts, 'liver', facts), {});
  seen();
  const painted = Uint8Array.from(work.map);
  painted[9] = 2;
  work.painted(painted);
  seen();
  work.said('liver', mask(3), 'keep largest', work.prompts, {});
  assert.deepEqual([work.map[3], work.map[4], work.map[20], work.map[9]], [1, 0, 0, 2]);
  const last = Array.from(work.map);
  for (const [map, prompts] of states.reverse()) {
    work.undo();
    assert.deepEqual([Array.from(work.map), JSON.stringify(work.prompts)], [map, prompts]);
  }
  for (let n = 0; n < states.length; n++) work.redo();
  assert.deepEqual(Array.from(work.map), last);
});

test('the prompts of a reply take the place of points and boxes, not of strokes', () => {
  const stroke = { id: 's', label: 'liver', kind: 'scribble', sign: 1, plane: 'axial', slice: 0, voxels: [[0, 0, 0]] };
  const other = { ...stroke, id: 'o', label: 'spleen', kind: 'point' };
  const facts = { axis: 'k', plane: 'axial', prompts: { foreground: [[1, 1, 1]], background: [[3, 3, 1]], roi: null } };
  const after = promptsAfter([stroke, other, { ...stroke, id: 'p', kind: 'point' }], 'liver', facts);
  assert.deepEqual(after.map(({ kind, sign, slice }) => [kind, sign, slice]),
    [['scribble', 1, 0], ['point', 1, 0], ['point', 1, 1], ['point', -1, 1]]);
});

test('a microphone is offered only where speech is recognised on the device', async () => {
  const kind = (answer) => class { static available = async ({ processLocally }) => (processLocally ? answer : 'available'); };
  assert.equal(await ownEars({}), null);
  assert.equal(await ownEars({ SpeechRecognition: class {} }), null);
  assert.equal(await ownEars({ SpeechRecognition: kind('downloadable') }), null);
  assert.equal((await ownEars({ SpeechRecognition: kind('available') })).processLocally, true);
});
