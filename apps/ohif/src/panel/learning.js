// What the server learns: how many labels, how far a training is, what serves and why.

import { button, h, tell } from './dom.js';

const EVERY_MS = 30_000, CURVE = 60;

/** @param {import('../session.js').Session} session */
export function learningSection(session) {
  const labels = h('div', { dataset: { samlabel: 'learned' } }), training = h('div', { dataset: { samlabel: 'training' } });
  const bar = h('progress', { max: 100, 'aria-label': 'Training', hidden: true }), serves = h('div', { class: 'sl-note' });
  const curve = h('img', { alt: 'Learning curves of the last training', hidden: true, style: `max-height: ${CURVE * 3}px` });
  const start = button('Start training', session.doing(async () => { await session.server.train({}); await learn(); }));
  const stop = button('Stop training', session.doing(async () => { await session.server.stopTraining(); await learn(); }));

  async function learn() {
    const [info, known, adapters] = await Promise.all(
      [session.server.info(), session.server.labels(), session.server.adapters()]);
    const { completed, total } = info.datastore;
    tell(labels, `${completed} of ${total} cases are labelled`
      + `${known?.quarantined ? `, ${known.quarantined} wait for somebody to look at them` : ''}.`);
    const stats = /** @type {any} */ (Object.values(info.train_stats ?? {})[0]);
    const running = Boolean(stats?.stage && !stats.total_time);
    const best = stats?.best_metric ? `, best Dice ${(100 * stats.best_metric).toFixed(0)} %` : '';
    const left = stats?.seconds_left ? `, ${Math.ceil(stats.seconds_left / 60)} min left` : '';
    // A run that is over has its total time, and says what came of it.
    if (running) tell(training, `Training (${stats.stage}, ${Math.round(stats.percent)} %): epoch ${stats.epoch} of ${stats.total_epochs}${best}${left}`);
    else tell(training, stats?.stage ? `Last training: ${stats.message || stats.stage}` : 'No training yet.');
    bar.hidden = !running;
    bar.value = stats?.percent ?? 0;
    start.disabled = running || !completed;
    stop.disabled = !running;
    const serving = (adapters?.adapters ?? []).find((/** @type {any} */ row) => row.serves);
    const gain = serving?.gain?.low !== undefined ? ` (gain ${serving.gain.low} to ${serving.gain.high})` : '';
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
    body: h('div', {}, labels, training, bar, h('div', { class: 'sl-row' }, start, stop), serves, curve),
    update() {
      const now = `${session.open.case.series} ${session.stored.final?.label_info.length}`;
      if (now !== asked) { asked = now; learn().catch(() => {}); }
    },
    end: () => clearInterval(timer),
  };
}
