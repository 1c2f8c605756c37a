// Watching terminals is loaded with the first one. What was watched is remembered for this tab: after a reload it comes
// back by itself. Control does not: it is asked for again.

import { newId } from '../lib/ids';
import type { Peer, Share } from '../protocol/signal';
import type { RoomView } from './roomStore';
import type { TerminalActions, TerminalDeps } from './terminalActions';
import { forget, type Remembered, remember, remembered } from './terminalMemory';
import { dropTerminal, newTerminal, patchTerminal, putTerminal, type TerminalView } from './terminalStore';

export function createTerminalLoader(deps: TerminalDeps) {
  const { store } = deps;
  let loaded: Promise<TerminalActions> | undefined;
  function load(): Promise<TerminalActions> {
    loaded ??= import('./terminalActions').then(({ createTerminalActions }) => createTerminalActions(deps));
    loaded.catch(() => {
      // Tried again at the next occasion: the server may have been away.
      loaded = undefined;
    });
    return loaded;
  }

  function begin(view: TerminalView): string {
    const { sessionId } = view;
    putTerminal(store, view);
    remember(view);
    load().then(
      (actions) => actions.open(sessionId),
      () => patchTerminal(store, sessionId, { phase: 'ended', end: { code: 'NETWORK', detail: '' } }),
    );
    return sessionId;
  }

  function back(room: RoomView, was: Remembered): string {
    const machine = Object.values(room.peers).find(
      (peer) => peer.device_id === was.deviceId && peer.offers.includes('terminal'),
    );
    const share = shareNamed(room, machine?.peer_id, was.label);
    const id = newId();
    if (machine) return begin(newTerminal(id, room.roomId, machine, share));
    const gone = { peer_id: '', device_id: was.deviceId, device_name: was.deviceName, name: was.ownerName };
    const view = newTerminal(id, room.roomId, gone);
    putTerminal(store, { ...view, phase: 'ended', end: { code: 'gone', detail: '' } });
    remember(view);
    return id;
  }

  return {
    load,

    /** Asks for a terminal of a machine: one that it shares, or what it has. Returns the view, for the page to show. */
    open(roomId: string, machine: Peer, share?: Share): string {
      return begin(newTerminal(newId(), roomId, machine, share));
    },

    /** What this tab watched in a room before it was loaded anew. Returns the view that was in front. */
    comeBack(room: RoomView): string | undefined {
      const open = Object.values(store.getState().terminals);
      if (open.some((view) => view.roomId === room.roomId)) return undefined;
      let front: string | undefined;
      for (const was of remembered(room.roomId)) {
        forget(was.id);
        const id = back(room, was);
        if (was.front) front = id;
      }
      return front;
    },

    /** Who signs in next in this tab comes back to nothing. */
    forgetAll(): void {
      for (const { id } of remembered()) forget(id);
    },

    close(sessionId: string): void {
      forget(sessionId);
      if (loaded) void load().then((actions) => actions.close(sessionId));
      else dropTerminal(store, sessionId);
    },
  };
}

/** A machine's share by its owner's word for it: its id is new with each start of the machine. */
export function shareNamed(
  room: RoomView,
  peerId: string | undefined,
  label: string | undefined,
): Share | undefined {
  return room.shares.find(
    (share) => share.feature === 'terminal' && share.peer_id === peerId && share.label === label,
  );
}
