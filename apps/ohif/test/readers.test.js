import assert from 'node:assert/strict';
import { test } from 'node:test';

import { DRAWN, Readers } from '../src/readers.js';

const TOLD = {
  readings: [{ reader: 'anna', version: 1, labels: ['liver'] }, { reader: 'bert', version: 3, labels: ['liver'] }],
  agreement: [], proposal: 'majority', decision: null,
};

/** A case of which a server tells something, open for somebody with a role. */
function opened(told, login = { name: 'rita', role: 'reviewer' }) {
  const session = { open: { case: { series: '1.2' } }, asked: 0, changed() { this.asked += 1; } };
  session.server = { login, readings: async () => told };
  return new Readers(session);
}

test('one reader sees nothing of it', async () => {
  for (const told of [null, { readings: TOLD.readings.slice(0, 1), decision: null }]) {
    const readers = opened(told);
    await readers.refresh(true);
    assert.equal(readers.several, false);
    assert.equal(readers.text, '');
  }
  const unread = opened(TOLD);
  await unread.refresh(false); // no label was accepted: nothing is asked
  assert.equal(unread.several, false);
});

test('what can be decided, by whom', async () => {
  const readers = opened(TOLD);
  await readers.refresh(true);
  assert.deepEqual(readers.choices, [['1', 'anna (version 1)'], ['3', 'bert (version 3)'],
    ['majority', 'majority (proposed)'], ['staple', 'staple'], [DRAWN, 'what I drew']]);
  assert.equal(readers.may, true);
  assert.equal(opened(TOLD, { name: 'anna', role: 'annotator' }).may, false);
  assert.equal(opened(TOLD, { name: '', role: '' }).may, true); // logins are off
  assert.match(readers.text, /nobody has decided yet/);
});

test('a decision is said with its reason', async () => {
  const readers = opened({ ...TOLD, decision: { by: 'rita', choice: '1', version: 1, why: 'the duct' } });
  await readers.refresh(true);
  assert.equal(readers.text, 'Decided by rita: 1 (the duct).');
});
