// Transfers that are over, remembered in this browser over a reload: what their cards have said, and no content. Bounded
// over all accounts that sign in here; each sees and clears its own. Other tabs are told by the browser.

const KEY = 'mesh-transfer-history';
/** The oldest go first. */
const MOST = 200;
const KEPT_MS = 30 * 24 * 60 * 60_000;

const OUTCOMES = ['done', 'declined', 'cancelled', 'failed'] as const;

export interface PastTransfer {
  /** Whose list it stands in. */
  account: string;
  sessionId: string;
  direction: 'in' | 'out';
  name: string;
  /** Person or machine at the other end. */
  other: string;
  size: number;
  count: number;
  outcome: (typeof OUTCOMES)[number];
  /** Why it did not arrive. */
  code?: string;
  /** When it was over, ms. */
  at: number;
}

const listeners = new Set<() => void>();

/** What is stored, as it is: the same text as long as nothing changes. */
export function historyText(): string {
  try {
    return localStorage.getItem(KEY) ?? '';
  } catch {
    return '';
  }
}

/** The newest first. What another version or another hand wrote there is left out. */
export function pastTransfers(text: string, account: string, now: number): PastTransfer[] {
  return decode(text).filter((past) => past.account === account && now - past.at < KEPT_MS);
}

export function rememberTransfer(past: PastTransfer): void {
  const others = decode(historyText()).filter(
    ({ sessionId, at }) => sessionId !== past.sessionId && past.at - at < KEPT_MS,
  );
  write([past, ...others].slice(0, MOST));
}

export function forgetTransfers(account: string): void {
  write(decode(historyText()).filter((past) => past.account !== account));
}

/** Calls back at each change, of this tab and of others, until the returned function is called. */
export function watchHistory(changed: () => void): () => void {
  const elsewhere = ({ key }: StorageEvent) => {
    if (key === KEY || key === null) changed();
  };
  listeners.add(changed);
  window.addEventListener('storage', elsewhere);
  return () => {
    listeners.delete(changed);
    window.removeEventListener('storage', elsewhere);
  };
}

function write(list: readonly PastTransfer[]): void {
  try {
    if (list.length === 0) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, JSON.stringify(list));
  } catch (error) {
    console.debug('transfers are not remembered', error);
  }
  for (const changed of listeners) changed();
}

function decode(text: string): PastTransfer[] {
  try {
    const list: unknown = JSON.parse(text || '[]');
    return Array.isArray(list) ? list.filter(isPast) : [];
  } catch {
    return [];
  }
}

function isPast(value: unknown): value is PastTransfer {
  if (typeof value !== 'object' || value === null) return false;
  const past = value as Record<keyof PastTransfer, unknown>;
  const texts = [past.account, past.sessionId, past.name, past.other];
  return (
    texts.every((text) => typeof text === 'string') &&
    [past.size, past.count, past.at].every(Number.isFinite) &&
    (past.direction === 'in' || past.direction === 'out') &&
    OUTCOMES.some((outcome) => outcome === past.outcome) &&
    (past.code === undefined || typeof past.code === 'string')
  );
}
