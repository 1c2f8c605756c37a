import { useEffect, useEffectEvent } from 'react';
import type { Peer, Share } from '../../protocol/signal';
import { isAway, waitBefore } from '../../state/terminalReturn';
import type { TerminalView } from '../../state/terminalStore';
import { useTerminals } from './useTerminals';

/** Asks again by itself for a terminal whose machine or connection was lost, once its machine is there. */
export function useReturn(terminal: TerminalView, machine: Peer | undefined, share: Share | undefined): void {
  const terminals = useTerminals();
  const lost = terminal.phase === 'ended' && isAway(terminal.end?.code);
  // A machine that came back is another peer: it is asked soon, however long the last one was away.
  const cameBack = machine !== undefined && machine.peer_id !== terminal.peerId;
  const wait = cameBack ? waitBefore(0) : waitBefore(terminal.tries);
  const again = useEffectEvent(() => {
    if (machine) terminals.again(terminal.sessionId, machine, share, !cameBack);
  });
  // The one that was watched, where the machine shares several: it is shared again a moment after the machine is back.
  const there = terminal.share && !share ? undefined : machine?.peer_id;
  useEffect(() => {
    if (!lost || there === undefined || wait === undefined) return;
    const timer = window.setTimeout(() => again(), wait);
    return () => window.clearTimeout(timer);
  }, [lost, there, wait]);
}
