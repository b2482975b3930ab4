import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Advice } from '../src/advice.js';

const CURE = { voxel: [1, 2, 3], positive: true, sentence: 'Put a + point here.' };

/** A case with an answer, and a server that says something about it. */
function answered(advice, last = { params: { label: 'liver' } }) {
  const session = { open: { case: { series: '1.2' } }, asked: [], shown: 0, changed() { this.shown += 1; } };
  session.segmenting = { last, busy: false };
  session.server = { facts: async (model, series, params, signal) => {
    session.asked.push(params.advice);
    await new Promise((done) => setTimeout(done, 5));
    if (signal.aborted) throw new Error('Stopped.');
    return { advice };
  } };
  return session;
}

test('a warning is said and drawn', async () => {
  const session = answered({ shown: true, warn: true, sentence: 'Take care: the left edge.', edge: [4, 5, 6], cure: CURE });
  const advice = new Advice(session);
  await advice.ask('doubt');
  assert.equal(advice.text, 'Take care: the left edge. Put a + point here.');
  assert.deepEqual(advice.marks, [[[4, 5, 6], 'edge'], [[1, 2, 3], 'cure']]);
  advice.forget();
  assert.equal(advice.text, '');
});

test('where warnings have not proven themselves nothing is asked again by itself, on demand it is', async () => {
  const session = answered({ shown: false, why: 'too few cases', cure: CURE }), advice = new Advice(session);
  await advice.ask('doubt');
  assert.equal(advice.told, null);
  advice.soon();
  await new Promise((done) => setTimeout(done, 600));
  assert.deepEqual(session.asked, ['doubt']);
  await advice.ask('next');
  assert.deepEqual(advice.marks, [[[1, 2, 3], 'cure']]);
});

test('a click stops what is asked, and says nothing', async () => {
  const session = answered({ shown: true, warn: true, sentence: 'late' }), advice = new Advice(session);
  const asking = advice.ask('doubt');
  advice.forget();
  await asking;
  assert.equal(advice.told, null);
  assert.equal(session.shown, 0);
});

test('without an answer on a slice there is nothing to advise on', async () => {
  await assert.rejects(new Advice(answered({}, null)).ask('next'), /one slice only/);
});
