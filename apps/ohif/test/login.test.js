import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';

import { Login, pair } from '../src/login.js';
import { Server, ServerError } from '../src/server.js';

globalThis.localStorage = { getItem: () => '', setItem: () => {} };

/** A server that knows nobody until `known` says so. */
function answering(known, login = '/login') {
  const asked = [];
  globalThis.fetch = async (address, options = {}) => {
    const path = address.replace('http://server', '');
    asked.push(path);
    const json = (status, body) => new Response(JSON.stringify(body), { status });
    if (path === '/auth/') return json(200, { login, name: known.name });
    if (path === '/auth/token') return json(200, { access_token: 'slb_token' });
    known.header = options.headers?.authorization;
    return known.name ? json(200, { ok: true }) : json(401, { detail: 'log in first' });
  };
  return asked;
}

/** A window whose pop-up says something at once. */
function popup(said, origin = 'http://server') {
  const listeners = new Set();
  globalThis.window = {
    opened: '',
    addEventListener: (kind, listener) => listeners.add(listener),
    removeEventListener: (kind, listener) => listeners.delete(listener),
    open: (address) => {
      globalThis.window.opened = address;
      setTimeout(() => [...listeners].forEach((listener) => listener({ origin, data: said })), 1);
      return { closed: false };
    },
  };
}

test('the challenge is the hash of the verifier, and each pair is new', async () => {
  const [one, two] = [await pair(), await pair()];
  assert.equal(one.challenge, createHash('sha256').update(one.verifier).digest('base64url'));
  assert.notEqual(one.verifier, two.verifier);
  assert.ok(one.verifier.length === 43 && one.challenge.length === 43);
});

test('a request without a login waits and is asked again', async () => {
  const known = { name: null };
  const asked = answering(known);
  popup('samlabel-login');
  const server = new Server('http://server', 'http://server');
  let told = 0;
  server.login.changed = () => { told += 1; };
  const answer = server.save('1.2', 'draft_x', {}, new Blob(['label']));
  await new Promise((resolve) => { setTimeout(resolve, 5); });
  assert.ok(server.login.needed && told > 0);
  known.name = 'ada';
  await server.login.open();
  assert.deepEqual(await answer, { ok: true });
  assert.equal(window.opened, 'http://server/login/done');
  assert.equal(asked.filter((path) => path.startsWith('/datastore/label')).length, 2);
  assert.ok(!server.login.needed && server.reader === 'ada' && server.draftTag === 'draft_ada');
});

test('a viewer elsewhere trades the code for a token that it keeps in memory', async () => {
  const known = { name: null };
  answering(known);
  popup({ samlabel: 'code', code: 'c' });
  const server = new Server('http://server', 'http://ohif');
  const answer = server.info();
  await new Promise((resolve) => { setTimeout(resolve, 5); });
  known.name = 'ada';
  await server.login.open();
  assert.deepEqual(await answer, { ok: true });
  assert.match(window.opened, /^http:\/\/server\/login\/viewer\?challenge=[\w-]{43}&origin=http%3A%2F%2Fohif$/);
  assert.equal(known.header, 'Bearer slb_token');
});

test('what the viewer asks by itself does not wait, and nobody is asked where there is no form', async () => {
  answering({ name: null });
  const server = new Server('http://server', 'http://server');
  await assert.rejects(server.lease('1.2'), (error) => error instanceof ServerError && error.status === 401);
  assert.ok(server.login.needed);
  answering({ name: null }, null);
  const other = new Server('http://server', 'http://server');
  await assert.rejects(other.info(), /log in first/);
  assert.ok(!other.login.needed);
});

test('a request that was stopped waits no longer', async () => {
  answering({ name: null });
  const server = new Server('http://server', 'http://server'), stop = new AbortController();
  const answer = server.infer('sam_3d', '1.2', {}, stop.signal);
  await new Promise((resolve) => { setTimeout(resolve, 5); });
  stop.abort();
  await assert.rejects(answer, /Stopped/);
});

test('another page cannot say that somebody is logged in', async () => {
  answering({ name: null });
  popup('samlabel-login', 'http://evil');
  const login = new Login('http://server', 'http://server');
  login.needed = true;
  const open = globalThis.window.open;
  globalThis.window.open = (address) => { const made = open(address); setTimeout(() => { made.closed = true; }, 5); return made; };
  await login.open();
  assert.ok(login.needed);
});
