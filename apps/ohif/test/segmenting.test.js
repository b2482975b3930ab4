import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Segmenting } from '../src/segmenting.js';
import { Work } from '../src/state.js';

const GRID = { dimensions: [4, 4, 2], spacing: [10, 10, 10], origin: [0, 0, 0], direction: [1, 0, 0, 0, 1, 0, 0, 0, 1] };
const point = (id, label = 'liver') => ({ id, label, kind: 'point', sign: 1, plane: 'axial', slice: 0, voxels: [[0, 0, 0]] });
const header = 'NRRD0004\ntype: unsigned char\ndimension: 3\nsizes: 4 4 2\nencoding: raw\n\n';
const empty = () => new Blob([header, new Uint8Array(32)]);
const until = async (condition) => { while (!condition()) await new Promise((done) => setTimeout(done, 1)); };

/** A session whose server answers one question when it is told to. */
function begun() {
  const work = new Work(GRID, ['liver', 'spleen'], () => {}), waiting = [];
  const asks = (what, asked) => new Promise((answer, fail) => { waiting.push({ what, asked, answer, fail }); });
  const session = {
    info: { labels: ['liver', 'spleen'] }, changed() {}, say() {},
    open: { work, case: { series: 's', displaySet: {} } }, opened: { work }, ohif: { isVolume: () => true },
    server: { infer: (model, _series, asked) => asks(model, asked), facts: (model, _series, asked) => asks('doubt', asked) },
  };
  return { work, waiting, segmenting: new Segmenting(session) };
}
const reply = () => ({ facts: { voxels: 0, score: 1 }, file: empty() });
const DOUBT = { uncertainty: { low: [0, 0, 0], shape: [0, 0, 0], data: '', scale: 1, expected_dice: {} } };

test('a click that comes while another candidate is asked for is asked afterwards', async () => {
  const { work, waiting, segmenting } = begun();
  work.place(point('a'));
  const first = segmenting.run('liver');
  await until(() => waiting.length === 1);
  waiting[0].answer(reply());
  await first;
  segmenting.uncertain = true;
  const other = segmenting.candidate(1);
  await until(() => waiting.length === 2);
  waiting[1].answer(reply());
  await until(() => waiting.length === 3);
  assert.equal(waiting[2].what, 'doubt');
  work.place(point('b', 'spleen'));
  await segmenting.run('spleen');
  assert.equal(waiting.length, 3);
  segmenting.uncertain = false;
  waiting[2].fail(new Error('no doubt'));
  await until(() => waiting.length === 4);
  assert.equal(waiting[3].asked.label, 'spleen');
  waiting[3].answer(reply());
  await assert.rejects(other, /no doubt/);
  assert.equal(segmenting.busy, false);
});

test('an error of one label costs another label nothing', async () => {
  const { work, waiting, segmenting } = begun();
  work.place(point('a'));
  work.place(point('b', 'spleen'));
  const first = segmenting.run('liver');
  await segmenting.run('spleen');
  await until(() => waiting.length === 1);
  waiting[0].fail(new Error('the server is away'));
  await until(() => waiting.length === 2);
  assert.equal(waiting[1].asked.label, 'spleen');
  waiting[1].answer(reply());
  await assert.rejects(first, /away/);
});

test('who names a part of the adapter has it answer from then on', async () => {
  const { work, waiting, segmenting } = begun();
  await segmenting.named('north'); // nothing was asked yet
  assert.equal(waiting.length, 0);
  work.place(point('a'));
  for (const tag of ['north', 'south', '']) {
    const asked = tag === 'north' ? segmenting.run('liver') : segmenting.named(tag);
    await until(() => waiting.length);
    assert.equal(waiting[0].asked.tag ?? '', tag);
    waiting.shift().answer(reply());
    await asked;
  }
});

test('who cancels is told that it stopped, whatever the server says to it', async () => {
  const { work, waiting, segmenting } = begun(), said = [];
  segmenting.session.say = (text) => said.push(text);
  segmenting.session.server.cancel = () => new Promise(() => {}); // the request's answer comes before this one's
  segmenting.volume = true;
  work.place(point('a'));
  const asked = segmenting.run('liver');
  await until(() => waiting.length === 1 && segmenting.job);
  segmenting.stop(false);
  waiting[0].fail(new Error('the job was cancelled after 0 slices, before there was a part to keep'));
  await asked;
  assert.equal(said.at(-1), 'Stopped: nothing was changed.');
  const kept = segmenting.run('liver');
  await until(() => waiting.length === 2 && segmenting.job);
  segmenting.stop(true);
  waiting[1].fail(new Error('before there was a part to keep'));
  await assert.rejects(kept, /part to keep/);
});
