// Requests to the samlabel server: the only file that knows its addresses, besides those of logging in (login.js).

import { Login } from './login.js';

/** @typedef {{label_info: {name: string, idx: number}[], [key: string]: any}} Stored what the server says of a label */

const NAME = /^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$/;
const READER = 'samlabel-reader';
const MOST_TAG = 64;
const UNKNOWN = 401; // the server does not know who asks
export const FINAL = 'final';

/** An answer that is no success. */
export class ServerError extends Error {
  /** @param {string} message @param {number} status 0 where nobody answered */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

export class Server {
  /** @param {string} base where this module came from is where the server is @param {string} [here] the viewer's site */
  constructor(base = new URL(import.meta.url).origin, here) {
    this.base = base;
    this.login = new Login(base, here);
  }

  /** Whoever is logged in; where nobody has to be, as the reader says. */
  get reader() { return this.login.name || localStorage.getItem(READER) || ''; }

  set reader(name) {
    if (name && !NAME.test(name)) throw new Error('A name is one word of letters, digits or ._@+- here.');
    localStorage.setItem(READER, name);
  }

  /** A tag per reader; characters that tags do not have become their number. */
  get draftTag() {
    const name = this.reader.replace(/[^A-Za-z0-9-]/g, (c) => `_${c.charCodeAt(0)}_`);
    return `draft_${name || 'local'}`.slice(0, MOST_TAG);
  }

  /** `waits`: a reader's own request waits for a login and is asked again; what a timer asks is asked later anyhow.
   * @param {string} path @param {RequestInit} [options] @param {boolean} [waits] @returns {Promise<Response>} */
  async ask(path, options = {}, waits = true) {
    const answer = await this.#answer(path, options);
    if (answer.ok) return answer;
    const body = await answer.json().catch(() => ({}));
    if (answer.status === UNKNOWN && await this.login.ask() && waits) {
      await this.login.wait(options.signal).catch(() => { throw new ServerError('Stopped.', 0); });
      return this.ask(path, options);
    }
    const told = typeof body.detail === 'string' ? body.detail : `The server answered ${answer.status}.`;
    throw new ServerError(told, answer.status);
  }

  /** @param {string} path @param {RequestInit} options */
  #answer(path, options) {
    const headers = { ...options.headers, ...this.login.headers, ...(this.reader && { 'x-samlabel-reader': this.reader }) };
    // a label's file says when it was written: a browser may keep such an answer for a tenth of its age
    return fetch(this.base + path, { cache: 'no-store', ...options, headers }).catch((error) => {
      if (error.name === 'AbortError') throw new ServerError('Stopped.', 0);
      throw new ServerError('The server does not answer. What you drew stays here: try again.', 0);
    });
  }

  /** null when there is none. @param {string} path @param {RequestInit} [options] */
  async json(path, options) {
    try {
      return await (await this.ask(path, options)).json();
    } catch (error) {
      if (error instanceof ServerError && error.status === 404) return null;
      throw error;
    }
  }

  /** @param {string} path @param {unknown} body */
  post(path, body) {
    return this.ask(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  }

  /** The server's models and labels; and who is logged in, which may have changed since the last case. */
  async info() {
    const told = await this.json('/info/');
    await this.login.about();
    return told;
  }

  adapters() { return this.json('/adapters/'); }
  labels() { return this.json('/labels/'); }

  /** What was learned since the adapter. @returns {Promise<import('./online.js').Learned | null>} */
  online() { return this.json('/online/'); }
  forgetLearned() { return this.post('/online/reset', {}); }

  /** @param {boolean} on */
  learnAsYouGo(on) { return this.post('/online/switch', { on }); }

  /** What is odd about a series; an error where it cannot be segmented. @param {string} series
   * @returns {Promise<string>} */
  async note(series) {
    const there = await this.ask(`/datastore/image?image=${series}`, { method: 'HEAD' }).catch(() => null);
    if (!there) await this.ask(`/datastore/image?image=${series}`); // a HEAD has no sentence
    return (await this.json(`/datastore/image/info?image=${series}`))?.note ?? '';
  }

  /**
   * One segmentation: the facts and the mask's file.
   * @param {string} model @param {string} series @param {Record<string, any>} params @param {AbortSignal} [signal]
   * @param {Blob} [label] a mask to start from
   * @returns {Promise<{facts: Record<string, any>, file: Blob}>}
   */
  async infer(model, series, params, signal, label) {
    const body = form(params);
    if (label) body.append('label', label, 'label.nrrd');
    const answer = await this.ask(`/infer/${model}?image=${series}&output=all`, { method: 'POST', body, signal });
    const reply = await answer.formData();
    return { facts: JSON.parse(String(reply.get('params'))), file: /** @type {File} */ (reply.get('image')) };
  }

  /** The facts alone. @param {string} model @param {string} series @param {Record<string, any>} params
   * @param {AbortSignal} [signal] */
  async facts(model, series, params, signal) {
    return this.json(`/infer/${model}?image=${series}&output=json`, { method: 'POST', body: form(params), signal });
  }

  /** @param {string} id @returns {Promise<{state: string, done: number, total: number | null, seconds: number} | null>} */
  job(id) { return this.json(`/jobs/${id}`); }

  /** Whether the server knew the job. @param {string} id */
  async cancel(id) { return (await this.json(`/jobs/${id}`, { method: 'DELETE' })) !== null; }

  /** @param {'image' | 'id' | 'label'} name @param {string} series @param {string} tag */
  #at(name, series, tag) { return `/datastore/label?${name}=${series}&tag=${tag}`; }

  /** @param {string} series @param {string} tag @returns {Promise<Stored | null>} */
  async stored(series, tag) {
    const found = await this.json(`/datastore/label/info?label=${series}&tag=${tag}`);
    return found?.label_info ? found : null;
  }

  /** @param {string} series @param {string} tag */
  async label(series, tag) { return (await this.ask(this.#at('label', series, tag))).blob(); }

  /** @param {string} series @param {string} tag @param {Record<string, any>} facts @param {Blob} file */
  async save(series, tag, facts, file) {
    const body = form(facts);
    body.append('label', file, 'label.nrrd');
    return (await this.ask(this.#at('image', series, tag), { method: 'PUT', body })).json();
  }

  /** @param {string} series @param {string} tag */
  async forget(series, tag) {
    if (await this.stored(series, tag)) await this.ask(this.#at('id', series, tag), { method: 'DELETE' });
  }

  /** Who read a case; null where nobody did. @param {string} series @returns {Promise<import('./readers.js').Told | null>} */
  readings(series) { return this.json(`/labels/${series}/readings`); }

  /** What one of several readers marked, and the names of its values.
   * @param {string} series @param {string} which a version, a consensus, or the difference */
  async reading(series, which) {
    const answer = await this.ask(`/labels/${series}/readings/${which}`);
    /** @type {string[]} */
    const names = JSON.parse(answer.headers.get('x-samlabel-names') ?? '[]');
    return { file: await answer.blob(), names };
  }

  /** Decide between readers. @param {string} series @param {string} choice @param {string} why
   * @param {Record<string, any>} [facts] @param {Blob} [file] of a label of one's own */
  async adjudicate(series, choice, why, facts = {}, file) {
    const body = form(facts);
    body.append('choice', choice);
    body.append('why', why);
    if (file) body.append('label', file, 'label.nrrd');
    return (await this.ask(`/labels/${series}/adjudicate`, { method: 'POST', body })).json();
  }

  /** @param {string} series */
  lease(series) { return this.ask(`/lease/?image=${series}`, { method: 'PUT' }, false); }

  /** The page may be closing: the request outlives it. @param {string} series */
  async leave(series) {
    await this.ask(`/lease/?image=${series}`, { method: 'DELETE', keepalive: true }, false).catch(() => {});
  }

  /** @param {string} strategy @param {string} leaving */
  async next(strategy, leaving) {
    return (await this.post(`/activelearning/${strategy}`, { client_id: this.reader || 'local', leave: leaving })).json();
  }

  /** @param {Record<string, any>} order */
  async train(order) { return (await this.post('/train/sam', order)).json(); }

  async stopTraining() { return (await this.ask('/train/', { method: 'DELETE' })).json(); }
}

/** @param {Record<string, any>} params */
function form(params) {
  const body = new FormData();
  body.append('params', JSON.stringify(params));
  return body;
}
