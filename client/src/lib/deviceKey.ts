// The key pair of this browser: the same key signs in as the same device, so that the list of devices does not grow with
// every sign-in. The private half cannot be exported, not even by this page.

const DATABASE = 'mesh';
const STORE = 'keys';
const NAME = 'device';

/** The public key, base64url; undefined where the browser can neither make nor keep one (private windows, old browsers). */
export async function devicePublicKey(): Promise<string | undefined> {
  try {
    const database = await open();
    try {
      const pair = (await read(database)) ?? (await create(database));
      return base64Url(new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey)));
    } finally {
      database.close();
    }
  } catch (error) {
    console.debug('no device key', error);
    return undefined;
  }
}

async function create(database: IDBDatabase): Promise<CryptoKeyPair> {
  const pair = (await crypto.subtle.generateKey({ name: 'Ed25519' }, false, [
    'sign',
    'verify',
  ])) as CryptoKeyPair;
  await done(database.transaction(STORE, 'readwrite').objectStore(STORE).put(pair, NAME));
  return pair;
}

function read(database: IDBDatabase): Promise<CryptoKeyPair | undefined> {
  return done<CryptoKeyPair | undefined>(database.transaction(STORE).objectStore(STORE).get(NAME));
}

function open(): Promise<IDBDatabase> {
  const request = indexedDB.open(DATABASE, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE);
  return done(request);
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('IndexedDB'));
  });
}

function base64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}
