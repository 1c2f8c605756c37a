// What is remembered of transfers beyond one attempt: which offers are the same, what was being sent when the page was
// loaded anew, and what is over.

import { rememberTransfer } from '../lib/transfer/history';
import { keepUnfinished } from '../lib/transfer/unfinished';
import type { Peer } from '../protocol/signal';
import { isOpen, type TransferState, type TransferView } from './transferStore';

/** Two requests are for the same when the same device of the same person names the same in the same room. */
export function offerOf(
  roomId: string,
  { user_id, device_id, peer_id }: Pick<Peer, 'user_id' | 'device_id' | 'peer_id'>,
  name: string,
  size: number,
  count: number,
  files: readonly { path: string; size: number }[],
): string {
  const listed = files.map(({ path, size }) => [path, size]);
  return JSON.stringify([roomId, user_id, device_id ?? peer_id, name, size, count, listed]);
}

/** Keeps what is being sent, as the card that a page shows which was loaded anew in the middle. */
export const remember = (() => {
  let last = '';
  return (transfers: TransferView[]) => {
    const sending = transfers.filter(
      (one) => one.direction === 'out' && (one.sourceLost || (isOpen(one) && one.phase !== 'asking')),
    );
    const ids = sending.map(({ sessionId }) => sessionId).join();
    // Progress alone changes nothing here.
    if (ids === last) return;
    last = ids;
    keepUnfinished(
      sending.map((one) => ({
        ...one,
        phase: 'failed',
        sourceLost: true,
        rate: 0,
        pausedHere: false,
        pausedThere: false,
        error: { code: 'RELOADED', detail: '' },
        files: one.files.map(({ path, size }) => ({ path, size, verified: false })),
        count: one.files.length,
        size: one.files.reduce((sum, { size }) => sum + size, 0),
      })),
    );
  };
})();

/** Notes what has just come to its end, as its card says it. What may go on with the same files is not over yet. */
export function noteOver(
  { transfers }: TransferState,
  { transfers: before }: TransferState,
  account: string | undefined,
  at: number,
): void {
  if (account === undefined) return;
  for (const one of Object.values(transfers)) {
    const earlier = before[one.sessionId];
    if (one === earlier || isOpen(one) || one.sourceLost || (earlier && !isOpen(earlier))) continue;
    const { sessionId, direction, name, size, count, phase, error, peerKind, peerName, deviceName } = one;
    if (phase !== 'done' && phase !== 'declined' && phase !== 'cancelled' && phase !== 'failed') continue;
    const other = (peerKind === 'agent' && deviceName) || peerName;
    const code = phase === 'done' || !error ? {} : { code: error.code };
    rememberTransfer({
      account,
      sessionId,
      direction,
      name,
      other,
      size,
      count,
      outcome: phase,
      ...code,
      at,
    });
  }
}
