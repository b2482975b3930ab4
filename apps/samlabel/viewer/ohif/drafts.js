// Drafts on this machine: what is not submitted survives a reload and a crash, even while no server answers.

/** @typedef {{ts: number, names: string[], file: Blob, facts: Record<string, any>}} Draft */

const DATABASE = 'samlabel', STORE = 'drafts';

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
const done = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

async function store(/** @type {IDBTransactionMode} */ mode) {
  const open = indexedDB.open(DATABASE, 1);
  open.onupgradeneeded = () => open.result.createObjectStore(STORE);
  return (await done(open)).transaction(STORE, mode).objectStore(STORE);
}

/** @param {string} key @param {Draft} draft */
export const keep = async (key, draft) => { await done((await store('readwrite')).put(draft, key)); };

/** @param {string} key @returns {Promise<Draft | undefined>} */
export const kept = async (key) => done((await store('readonly')).get(key));

/** @param {string} key */
export const forget = async (key) => { await done((await store('readwrite')).delete(key)); };
