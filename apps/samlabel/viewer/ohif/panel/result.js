// What was answered last: how sure, by what, and which other masks there are.

import { button, check, choice, h, tell } from './dom.js';

/** @param {import('../session.js').Session} session */
export function resultSection(session) {
  const told = h('div', { dataset: { samlabel: 'result' } }), notes = h('div');
  const others = [0, 1, 2].map((n) => button(String(n + 1), session.doing(() => session.segmenting.candidate(n)),
    { title: `Candidate ${n + 1} (key ${n + 1})`, 'aria-label': `Candidate ${n + 1}` }));
  const row = h('div', { class: 'sl-row', role: 'group', 'aria-label': 'Candidates' }, 'Candidate', ...others);
  const doubt = check('uncertainty', false, session.doing((/** @type {boolean} */ on) => session.segmenting.showDoubt(on)),
    { title: 'Show where the network is unsure about its last mask', dataset: { samlabel: 'doubt' } });
  const next = button('Where next?', session.doing(() => session.segmenting.advice.ask('next')),
    { title: 'Mark the place whose correction is expected to help most' });
  const advice = h('div', { dataset: { samlabel: 'advice' } });
  const expected = h('div', { dataset: { samlabel: 'expected' } });
  const of = h('span'), tags = choice([], 'What this image is of', session.doing((tag) => session.segmenting.named(tag)));
  const tagged = h('label', { class: 'sl-row', hidden: true, dataset: { samlabel: 'tag' } }, of, tags);
  return {
    name: 'result', title: 'Result', open: true,
    body: h('div', {}, told, tagged, row, h('div', { class: 'sl-row' }, doubt, next), expected, advice, notes),
    update() {
      const { result: facts, last } = session.segmenting, label = session.open.work.active;
      const scores = /** @type {number[]} */ (Array.isArray(facts?.scores) ? facts.scores : []);
      tell(told, facts ? `${label}: ${facts.mode ? `proposed (${facts.mode})` : `score ${Number(facts.score).toFixed(2)}, `
        + `${facts.voxels} voxels`}, by `
        + `${facts.model}${facts.adapter && facts.adapter !== 'none' ? ` with adapter ${facts.adapter}` : ' without an adapter'}`
        + `${facts.model_why ? `, chosen for this label: ${facts.model_why}` : ''}`
        : `No answer for ${label} yet.`);
      showTags(tagged, of, tags, facts, session.open.work.tag);
      row.hidden = !last || !scores.length;
      others.forEach((each, n) => {
        each.textContent = scores[n] === undefined ? String(n + 1) : `${n + 1} (${scores[n].toFixed(2)})`;
        each.setAttribute('aria-pressed', String(facts?.candidate === n));
        each.disabled = scores[n] === undefined;
      });
      tell(notes, (facts?.warnings ?? []).join('; '), true);
      tell(expected, session.segmenting.doubtTold);
      tell(advice, session.segmenting.advice.text, Boolean(session.segmenting.advice.told?.warn));
      next.disabled = !last;
    },
  };
}

/**
 * The parts of an adapter for images of one site or view each, where it was taught any.
 * @param {HTMLElement} row @param {HTMLElement} of @param {HTMLSelectElement} tags
 * @param {Record<string, any> | undefined} facts @param {string} chosen
 */
function showTags(row, of, tags, facts, chosen) {
  const taught = /** @type {string[] | undefined} */ (facts?.tags);
  tags.value = chosen;
  if (!taught) return; // another label has no answer yet: what was there stays true
  const itself = `as the image says${facts?.tag && !chosen ? ` (${facts.tag})` : ''}`;
  tell(of, `${facts?.facet}: `);
  tags.replaceChildren(new Option(itself, ''), ...taught.map((tag) => new Option(tag, tag)));
  tags.value = chosen;
  row.hidden = false;
}
