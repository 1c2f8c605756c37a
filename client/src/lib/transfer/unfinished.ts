// What this page was sending when it was loaded anew. The content itself is lost to it: a browser hands out files once.
// Kept for this tab alone, so that no other one shows it.

const KEY = 'mesh-unfinished';
/** More than that is not worth keeping in storage of a few megabytes. */
const MAX_BYTES = 500_000;

/** Keeps a list in the place of the one before. */
export function keepUnfinished(list: readonly object[]): void {
  try {
    const text = JSON.stringify(list);
    if (list.length === 0 || text.length > MAX_BYTES) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, text);
  } catch (error) {
    console.debug('unfinished transfers are not kept', error);
  }
}

/** The list that this page itself kept, or an empty one. */
export function readUnfinished<T>(): T[] {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? '[]') as T[];
  } catch {
    return [];
  }
}
