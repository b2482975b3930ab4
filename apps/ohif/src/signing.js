// What a login means to the open case: it runs out, somebody logs in again, the reader logs out.

/** @typedef {import('./session.js').Session} Session */

/** @param {Session} session @param {AbortSignal} signal the end of the visit */
export function watchLogin(session, signal) {
  const { login } = session.server;
  login.changed = () => {
    session.say(login.needed ? 'Your login ran out: log in, then everything goes on. What you drew stays here.'
      : `Logged in as ${login.name}.`, login.needed);
    if (!login.needed && session.opened) session.lease.hold();
  };
  window.addEventListener('focus', () => login.back(), { signal });
}

/** @param {Session} session */
export async function logOut(session) {
  const { login } = session.server;
  session.settle();
  if (session.opened) await session.stored.keep();
  session.leave();
  await login.out();
}
