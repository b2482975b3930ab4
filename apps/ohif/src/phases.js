// Images in time: which of their phases an answer is about, in words.

/** Phases count from 0, as the server's do; nothing where the image has none. @param {Record<string, any>} facts */
export function phaseOf(facts) {
  return facts.phases > 1 ? `, phase ${facts.phase} (0 to ${facts.phases - 1})` : '';
}
