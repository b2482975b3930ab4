// Labels without a click: which modes there are, what each needs, and what was proposed.

import { button, check, choice, h, tell } from './dom.js';

/** @typedef {import('../session.js').Session} Session */

/** What each mode does, and what keeps it from working. `cases` are other accepted cases.
 * @type {Record<string, {told: string, lacks: (has: {cases: number, own: boolean, adapter: boolean}) => string}>} */
export const MODES = {
  best: { told: 'each label by the mode that leaves fewest clicks on the accepted cases', lacks: () => '' },
  semantic: { told: 'what an adapter has learned, whole volume',
    lacks: ({ adapter }) => (adapter ? '' : 'needs a trained adapter that serves') },
  atlas: { told: 'the most similar accepted case, laid over this one',
    lacks: ({ cases }) => (cases ? '' : 'needs 1 accepted case of another patient') },
  selfprompt: { told: 'accepted cases say where, the network draws',
    lacks: ({ cases }) => (cases ? '' : 'needs 1 accepted case of another patient') },
  detect: { told: 'every instance of a label, by boxes that accepted cases taught',
    lacks: ({ cases }) => (cases ? '' : 'needs 1 accepted case of another patient') },
  grid: { told: 'pieces that match the nearest accepted case',
    lacks: ({ cases, own }) => (cases || own ? '' : 'needs 1 accepted case') },
  propose: { told: 'what stands out, in the order of the labels: check every name', lacks: () => '' },
};

/** @param {Session} session */
export function proposeSection(session) {
  const modes = choice([], 'How labels are proposed'), told = h('div', { class: 'sl-note' });
  const extent = choice(['slice', 'volume'], 'Where labels are proposed');
  const active = check('active label only', false, () => {});
  const ask = button('Propose', session.doing(() => session.segmenting.propose(modes.value,
    /** @type {'slice' | 'volume'} */ (extent.value), active.querySelector('input')?.checked ? [session.open.work.active] : [])));
  const found = h('div', { dataset: { samlabel: 'proposal' } });
  let known = { cases: 0, own: false, adapter: false }, asked = '';
  modes.addEventListener('change', () => update());

  async function learn() {
    const [labels, adapters] = await Promise.all([session.server.labels(), session.server.adapters()]);
    const { series } = session.open.case;
    const accepted = (labels?.labels ?? []).filter((/** @type {any} */ row) => ['accepted', 'released', 'adjudicated'].includes(row.event));
    known = { cases: accepted.filter((/** @type {any} */ row) => row.case !== series).length,
      own: Boolean(session.stored.final), adapter: Boolean(adapters?.serves) };
    const offered = Object.keys(MODES).filter((mode) => (session.info.models?.sam_auto?.config?.mode ?? []).includes(mode));
    const best = offered.find((mode) => !MODES[mode].lacks(known));
    modes.replaceChildren(...offered.map((mode) => {
      const lacks = MODES[mode].lacks(known);
      const option = new Option(lacks ? `${mode} (${lacks})` : `${mode}${mode === best ? ' (recommended)' : ''}`, mode);
      option.disabled = Boolean(lacks);
      return option;
    }));
    modes.value = best ?? '';
    update();
  }

  function update() {
    const now = `${session.open.case.series} ${session.stored.final?.label_info.length}`;
    if (now !== asked) { asked = now; session.doing(learn)(); }
    tell(told, MODES[modes.value]?.told ?? '');
    ask.disabled = !modes.value || Boolean(session.segmenting.job);
    const { proposal } = session.segmenting;
    const key = proposal?.names.join() ?? '';
    if (found.dataset.key === key) return;
    found.dataset.key = key;
    found.replaceChildren(...(proposal ? [...Object.entries(proposal.facts.best ?? {}).map(([name, how]) =>
      h('div', { class: 'sl-note' }, `${name}: ${how.mode ?? 'nothing proposed'}, ${how.why}`)),
    h('div', { class: 'sl-row' }, ...proposal.names.map((name) =>
      button(`Take ${name}`, session.doing(() => session.segmenting.takeProposal(name))))),
    h('div', { class: 'sl-row' }, button('Take all', session.doing(() => session.segmenting.takeProposal()), { class: 'sl-main' }),
      button('Drop', session.doing(() => { session.segmenting.dropProposal(); session.say('Dropped.'); })))] : []));
  }
  return { name: 'propose', title: 'Propose', open: false, update,
    body: h('div', {}, modes, told, h('div', { class: 'sl-row' }, extent, active, ask), found) };
}
