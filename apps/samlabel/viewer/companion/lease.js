// Telling the server which case is open, so that nobody else is sent to it; hearing when somebody else has it.

import { $ } from './panel.js';
import { ask } from './server.js';
import * as viewer from './viewer.js';
import { work } from './work.js';

let held = ''; // the case that was last announced
let submitted = false;

export async function hold() {
  held = viewer.series();
  submitted = false;
  const place = $('lease');
  try {
    await ask(`/lease/?image=${held}`, { method: 'PUT' });
    place.textContent = 'This case is yours while it is open.';
    place.classList.remove('error');
  } catch (error) {
    place.textContent = error.message;
    place.classList.add('error');
  }
}

// A submitted case is given back by the server; changes after that take it again.
export const renew = () => held && (!submitted || work.dirty) && hold();

export function over() {
  submitted = true;
  $('lease').textContent = '';
}

// The page may be closing: the request has to outlive it.
export async function leave() {
  const image = held;
  held = '';
  if (image) await ask(`/lease/?image=${image}`, { method: 'DELETE', keepalive: true }).catch(() => {});
}
