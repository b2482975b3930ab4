// Logging in from within the viewer: a pop-up of the server. What was asked without a login waits and is asked again.

/** What the server says before anybody is logged in.
 * @typedef {{login: string | null, name: string | null, role?: string | null}} About */

const SIZE = 'popup,width=480,height=560', MOST_MS = 120_000, POLL_MS = 500;

/** @param {ArrayBuffer | Uint8Array<ArrayBuffer>} bytes */
const base64url = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes)))
  .replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');

/** Verifier and challenge of PKCE (RFC 7636). */
export async function pair() {
  if (!crypto.subtle) throw new Error('This viewer must be opened by https to log in at another server.');
  const verifier = base64url(crypto.getRandomValues(new Uint8Array(32)));
  const challenge = base64url(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier)));
  return { verifier, challenge };
}

export class Login {
  /** Of a viewer on another web site, in memory alone: no other page and no later visit has it. */ token = '';
  /** Who is logged in; empty where nobody has to be. */ name = '';
  /** What they may. */ role = '';
  needed = false;
  changed = () => {};
  /** @type {Set<() => void>} */ #waiting = new Set();

  /** @param {string} base the server @param {string} here the viewer's web site */
  constructor(base, here = globalThis.location?.origin ?? base) {
    this.base = base;
    this.here = here;
  }

  get foreign() { return this.base !== this.here; }

  /** @returns {Record<string, string>} */
  get headers() { return this.token ? { authorization: `Bearer ${this.token}` } : {}; }

  /** @returns {Promise<About | null>} null where the server is too old, or away */
  async about() {
    const answer = await fetch(`${this.base}/auth/`, { headers: this.headers }).catch(() => null);
    const told = answer?.ok ? await answer.json().catch(() => null) : null;
    if (told) [this.name, this.role] = [told.name ?? '', told.role ?? ''];
    return told;
  }

  /** Somebody has to log in; whether this viewer can help with that. */
  async ask() {
    this.token = '';
    if (!(await this.about())?.login) return false;
    this.needed = true;
    this.changed();
    return true;
  }

  /** Until somebody is logged in. @param {AbortSignal | null} [signal] @returns {Promise<void>} */
  wait(signal) {
    return new Promise((resolve, reject) => {
      const end = () => { this.#waiting.delete(end); resolve(); };
      this.#waiting.add(end);
      signal?.addEventListener('abort', () => {
        this.#waiting.delete(end);
        reject(new DOMException('Stopped.', 'AbortError'));
      });
    });
  }

  /** Open the pop-up and listen to it. Called by a click: browsers open no window for anything else. */
  async open() {
    const proof = this.foreign ? await pair() : null;
    const query = proof ? `viewer?challenge=${proof.challenge}&origin=${encodeURIComponent(this.here)}` : 'done';
    const popup = window.open(`${this.base}/login/${query}`, 'samlabel-login', SIZE);
    if (!popup) throw new Error('The browser opened no window to log in: allow pop-ups for this page.');
    const told = await this.#heard(popup);
    if (proof && told) await this.#trade(told, proof.verifier);
    await this.#over();
  }

  /** What the pop-up says; empty when it was closed, or says nothing for long. @param {Window} popup
   * @returns {Promise<string>} */
  #heard(popup) {
    return new Promise((resolve) => {
      const until = Date.now() + MOST_MS;
      const end = (/** @type {string} */ told) => {
        clearInterval(timer);
        window.removeEventListener('message', listen);
        resolve(told);
      };
      const listen = (/** @type {MessageEvent} */ { origin, data }) => {
        if (origin !== this.base) return;
        if (data === 'samlabel-login') end('');
        else if (data?.samlabel === 'code') end(String(data.code));
      };
      const timer = setInterval(() => { if (popup.closed || Date.now() > until) end(''); }, POLL_MS);
      window.addEventListener('message', listen);
    });
  }

  /** @param {string} code @param {string} verifier */
  async #trade(code, verifier) {
    const body = new URLSearchParams({ grant_type: 'authorization_code', code, code_verifier: verifier });
    const answer = await fetch(`${this.base}/auth/token`, { method: 'POST', body });
    const told = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(typeof told.detail === 'string' ? told.detail : 'The login did not work.');
    this.token = told.access_token;
  }

  /** Go on, if it worked; also when the reader logged in elsewhere and comes back. */
  async #over() {
    await this.about();
    if (!this.name) return;
    this.needed = false;
    [...this.#waiting].forEach((end) => end());
    this.changed();
  }

  /** The window has the focus again. */
  async back() { if (this.needed) await this.#over(); }

  /** End the session here and at the server. Its own page goes along, as a form does: a login service may be next. */
  async out() {
    if (!this.foreign) {
      const form = Object.assign(document.createElement('form'), { method: 'post', action: '/logout' });
      document.body.append(form);
      form.submit();
      return;
    }
    await fetch(`${this.base}/logout`, { method: 'POST', headers: this.headers, redirect: 'manual' }).catch(() => null);
    this.token = this.name = '';
  }
}
