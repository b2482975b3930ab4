// Handing the label in, taking it back, and going on.

import { button, choice, h } from './dom.js';

/** @param {import('../session.js').Session} session */
export function submitSection(session) {
  const comment = h('input', { type: 'text', placeholder: 'comment', 'aria-label': 'Comment', maxlength: 500 });
  const submit = async () => { await session.submit(comment.value.trim()); comment.value = ''; };
  const reopen = button('Re-open', session.doing(() => session.stored.reopen()));
  const withdraw = button('Withdraw', session.doing(() => session.stored.withdraw()));
  const discard = button('Discard draft', session.doing(() => session.stored.discard()),
    { title: 'Throw away what is not submitted' });
  const strategy = choice([], 'How the next case is chosen');
  const told = h('div', { class: 'sl-note' });
  const tell = () => { told.textContent = session.info.strategies?.[strategy.value]?.description ?? ''; };
  strategy.addEventListener('change', tell);
  return {
    name: 'submit', title: 'Stored label', open: true,
    body: h('div', {}, comment, h('div', { class: 'sl-row' }, reopen, withdraw, discard), h('div', { class: 'sl-row' }, 'Next case by', strategy), told),
    foot: h('div', { class: 'sl-row sl-foot' }, button('Submit', session.doing(submit), { class: 'sl-main', title: 'Ctrl+Enter' }),
      button('Next case', session.doing(() => session.next(strategy.value)), { title: 'Ctrl+Right' })),
    update() {
      if (!strategy.options.length) {
        strategy.append(...Object.keys(session.info.strategies ?? {}).map((name) => new Option(name, name)));
        tell();
      }
      reopen.disabled = withdraw.disabled = !session.stored.final;
      discard.disabled = !session.stored.draft && !session.open.work.dirty;
    },
  };
}
