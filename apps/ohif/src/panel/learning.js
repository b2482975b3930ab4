// What the server learns: how many labels, how far a training is, what serves and why.

import { learnedLine } from '../online.js';
import { button, h, tell } from './dom.js';

const EVERY_MS = 30_000, CURVE = 60;

/** @param {import('../session.js').Session} session */
export function learningSection(session) {
  const labels = h('div', { dataset: { samlabel: 'learned' } }), training = h('div', { dataset: { samlabel: 'training' } });
  const bar = h('progress', { max: 100, 'aria-label': 'Training', hidden: true }), serves = h('div', { class: 'sl-note' });
  const models = h('div', { class: 'sl-note', dataset: { samlabel: 'models' } });
  const curve = h('img', { alt: 'Learning curves of the last training', hidden: true, style: `max-height: ${CURVE * 3}px` });
  const start = button('Start training', session.doing(async () => { await session.server.train({}); await learn(); }));
  const stop = button('Stop training', session.doing(async () => { await session.server.stopTraining(); await learn(); }));
  // Until the server has said what it has, neither can be asked for.
  start.disabled = stop.disabled = true;

  const online = h('div', { class: 'sl-note', dataset: { samlabel: 'online' } });
  const asYouGo = h('div', { class: 'sl-row', hidden: true });
  const reset = button('Forget it', session.doing(async () => { await session.server.forgetLearned(); await learn(); }));
  const off = button('Switch off', session.doing(async () => {
    await session.server.learnAsYouGo(off.dataset.on !== 'yes');
    await learn();
  }));
  asYouGo.append(reset, off);

  async function learn() {
    const [info, known, adapters, learned] = await Promise.all(
      [session.server.info(), session.server.labels(), session.server.adapters(), session.server.online()]);
    const line = learnedLine(learned, session.opened?.work.active);
    tell(online, line);
    asYouGo.hidden = !line;
    off.dataset.on = learned?.on ? 'yes' : 'no';
    tell(off, learned?.on ? 'Switch off' : 'Switch on');
    const { completed, total } = info.datastore;
    tell(labels, `${completed} of ${total} cases are labelled`
      + `${known?.quarantined ? `, ${known.quarantined} wait for somebody to look at them` : ''}.`);
    const stats = /** @type {any} */ (Object.values(info.train_stats ?? {})[0]);
    const running = Boolean(stats?.stage && !stats.total_time);
    const best = stats?.best_metric ? `, best Dice ${(100 * stats.best_metric).toFixed(0)} %` : '';
    const left = stats?.seconds_left ? `, ${Math.ceil(stats.seconds_left / 60)} min left` : '';
    // A run that is over has its total time, and says what came of it.
    // Where methods compete, the stage says which one, and in which epoch.
    const epoch = stats?.method === 'auto' ? '' : `: epoch ${stats?.epoch} of ${stats?.total_epochs}`;
    if (running) tell(training, `Training (${stats.stage}, ${Math.round(stats.percent)} %)${epoch}${best}${left}`);
    else tell(training, stats?.stage ? `Last training: ${stats.message || stats.stage}` : 'No training yet.');
    bar.hidden = !running;
    bar.value = stats?.percent ?? 0;
    start.disabled = running || !completed;
    stop.disabled = !running;
    const serving = (adapters?.adapters ?? []).find((/** @type {any} */ row) => row.serves);
    const gain = serving?.gain?.low !== undefined ? ` (gain ${serving.gain.low} to ${serving.gain.high})` : '';
    // Of several models: what the main one does not answer.
    const others = (adapters?.by_label ?? []).map((/** @type {any} */ one) =>
      `${one.label} on ${one.modality} is answered by ${one.model}: ${one.why}.`);
    tell(models, others.join(' '));
    tell(serves, serving ? `Serves: ${serving.adapter}. ${serving.verdict ?? ''}${gain}` : 'Serves: the network as it came, without an adapter.');
    if (stats?.stage && !running && curve.hidden) {
      curve.onload = () => { curve.hidden = false; };
      curve.src = `${session.server.base}/train/curves`;
    }
  }
  const timer = setInterval(() => session.opened && learn().catch(() => {}), EVERY_MS);
  let asked = '';
  return {
    name: 'learning', title: 'Learning', open: false,
    body: h('div', {}, labels, training, bar, h('div', { class: 'sl-row' }, start, stop), serves, models, online, asYouGo, curve),
    update() {
      const { case: { series }, work: { active } } = session.open;
      const now = `${series} ${session.stored.final?.label_info.length} ${active}`;
      if (now !== asked) { asked = now; learn().catch(() => {}); }
    },
    end: () => clearInterval(timer),
  };
}
