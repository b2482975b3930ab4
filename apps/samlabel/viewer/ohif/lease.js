// Telling the server which case is open, so that nobody else is sent to it; hearing when somebody else has it.

/** @typedef {import('./session.js').Session} Session */

export class Lease {
  text = '';
  error = false;
  #over = false;

  /** @param {Session} session */
  constructor(session) { this.session = session; }

  /** Take the open case, or say that it still is open. */
  async hold() {
    this.#over = false;
    try {
      await this.session.server.lease(this.session.open.case.series);
      Object.assign(this, { text: 'This case is yours while it is open.', error: false });
    } catch (error) {
      Object.assign(this, { text: /** @type {Error} */ (error).message, error: true });
    }
    this.session.changed();
  }

  /** A submitted case was given back by the server; changes after that take it again. */
  renew() {
    const work = this.session.opened?.work;
    if (work && (!this.#over || work.dirty)) this.hold();
  }

  /** Something was changed. */
  touched() {
    if (this.#over && this.session.open.work.dirty) this.hold();
  }

  /** The case was submitted. */
  over() {
    this.#over = true;
    Object.assign(this, { text: '', error: false });
    this.session.changed();
  }
}
