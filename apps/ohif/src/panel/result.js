// What was answered last: how sure, by what, and which other masks there are.

import { button, check, h, tell } from './dom.js';

/** @param {import('../session.js').Session} session */
export function resultSection(session) {
  const told = h('div', { dataset: { samlabel: 'result' } }), notes = h('div');
  const others = [0, 1, 2].map((n) => button(String(n + 1), session.doing(() => session.segmenting.candidate(n)),
    { title: `Candidate ${n + 1} (key ${n + 1})`, 'aria-label': `Candidate ${n + 1}` }));
  const row = h('div', { class: 'sl-row', role: 'group', 'aria-label': 'Candidates' }, 'Candidate', ...others);
  const doubt = check('uncertainty', false, session.doing((/** @type {boolean} */ on) => session.segmenting.showDoubt(on)),
    { title: 'Show where the network is unsure about its last mask', dataset: { samlabel: 'doubt' } });
  const expected = h('div', { dataset: { samlabel: 'expected' } });
  return {
    name: 'result', title: 'Result', open: true,
    body: h('div', {}, told, row, doubt, expected, notes),
    update() {
      const { result: facts, last } = session.segmenting, label = session.open.work.active;
      const scores = /** @type {number[]} */ (Array.isArray(facts?.scores) ? facts.scores : []);
      tell(told, facts ? `${label}: ${facts.mode ? `proposed (${facts.mode})` : `score ${Number(facts.score).toFixed(2)}, `
        + `${facts.voxels} voxels`}, by `
        + `${facts.model}${facts.adapter && facts.adapter !== 'none' ? ` with adapter ${facts.adapter}` : ' without an adapter'}`
        : `No answer for ${label} yet.`);
      row.hidden = !last || !scores.length;
      others.forEach((each, n) => {
        each.textContent = scores[n] === undefined ? String(n + 1) : `${n + 1} (${scores[n].toFixed(2)})`;
        each.setAttribute('aria-pressed', String(facts?.candidate === n));
        each.disabled = scores[n] === undefined;
      });
      tell(notes, (facts?.warnings ?? []).join('; '), true);
      tell(expected, session.segmenting.doubtTold);
    },
  };
}
