// Requests to the server that this page came from.

const NAME = /^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$/;
const READER = 'samlabel-reader';

export const reader = () => localStorage.getItem(READER) || '';

export function setReader(name) {
  if (name && !NAME.test(name)) throw new Error('A name is one word of letters, digits or ._@+- here.');
  localStorage.setItem(READER, name);
}

const signed = (options) =>
  (reader() ? { ...options, headers: { ...options.headers, 'x-samlabel-reader': reader() } } : options);

const send = (path, options) => fetch(path, signed(options)).catch(() => {
  throw new Error('The server does not answer. What you drew stays here: try again.');
});

export async function ask(path, options = {}) {
  const answer = await send(path, options);
  if (answer.ok) return answer;
  const body = await answer.json().catch(() => ({}));
  throw Object.assign(new Error(body.detail || `The server answered ${answer.status}.`), { status: answer.status });
}

// null when there is none.
export async function askFor(path) {
  try {
    return await (await ask(path)).json();
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

export const post = (path, body) =>
  ask(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
