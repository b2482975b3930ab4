// What can be done by name: commands of the extension, and the keys that run them.

import { current } from './session.js';

/** @typedef {import('./session.js').Session} Session */

export const CONTEXT = 'SAMLABEL';

/** @type {[string, string, string[], (session: Session) => unknown][]} command, words in the preferences, keys, action */
const COMMANDS = [
  ['samlabelPreviousLabel', 'samlabel: previous label', ['['], (session) => session.nextLabel(-1)],
  ['samlabelNextLabel', 'samlabel: next label', [']'], (session) => session.nextLabel(1)],
  ['samlabelPlus', 'samlabel: + point', ['p'], (session) => session.pointing.draw('point', 1)],
  ['samlabelMinus', 'samlabel: - point', ['m'], (session) => session.pointing.draw('point', -1)],
  ['samlabelBox', 'samlabel: box', ['b'], (session) => session.pointing.draw('box', 1)],
  ['samlabelScribble', 'samlabel: + scribble', ['s'], (session) => session.pointing.draw('scribble', 1)],
  ['samlabelLasso', 'samlabel: + lasso', ['l'], (session) => session.pointing.draw('lasso', 1)],
  ['samlabelRun', 'samlabel: run', ['enter'], (session) => session.segmenting.run()],
  ['samlabelUndo', 'samlabel: undo', ['ctrl+z'], (session) => session.undo()],
  ['samlabelRedo', 'samlabel: redo', ['ctrl+y'], (session) => session.redo()],
  ['samlabelCandidate1', 'samlabel: candidate 1', ['1'], (session) => session.segmenting.candidate(0)],
  ['samlabelCandidate2', 'samlabel: candidate 2', ['2'], (session) => session.segmenting.candidate(1)],
  ['samlabelCandidate3', 'samlabel: candidate 3', ['3'], (session) => session.segmenting.candidate(2)],
  ['samlabelTake', 'samlabel: take all that is proposed', ['t'], (session) => session.segmenting.takeProposal()],
  ['samlabelSubmit', 'samlabel: submit', ['ctrl+enter'], (session) => session.submit()],
  ['samlabelNextCase', 'samlabel: next case', ['ctrl+right'],
    (session) => session.next(Object.keys(session.info.strategies ?? {})[0] ?? 'random')],
];

export const definitions = Object.fromEntries(COMMANDS.map(([name, , , action]) => [name, {
  commandFn: () => { const session = current(); return session?.opened && session.doing(() => action(session))(); },
}]));

export const hotkeys = COMMANDS.map(([commandName, label, keys]) =>
  ({ commandName, context: CONTEXT, label, keys, isEditable: true }));
