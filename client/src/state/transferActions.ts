// Sending and receiving files: the questions, the direct connection, and the drivers of lib/transfer.

import type { Api } from '../lib/api';
import type { Verify } from '../lib/capability';
import { newId } from '../lib/ids';
import { RateMeter } from '../lib/rate';
import { PeerLink } from '../lib/rtc';
import type { TransferFault } from '../lib/transfer/fault';
import type { HashPort } from '../lib/transfer/hashPort';
import { Incoming } from '../lib/transfer/incoming';
import { Outgoing } from '../lib/transfer/outgoing';
import { sendableName } from '../lib/transfer/paths';
import type { Sink } from '../lib/transfer/sink';
import type { Socket } from '../lib/ws';
import type { ManifestFile } from '../protocol/frames';
import type { Reason } from '../protocol/generated/Reason';
import type { EventOf, Peer, SignalEvent } from '../protocol/signal';
import type { RoomStore } from './roomStore';
import { failureOf, myPeer, openingFor, type SessionRouter } from './sessions';
import {
  dropTransfer,
  isOpen,
  patchTransfer,
  putTransfer,
  type TransferFile,
  type TransferStore,
  type TransferView,
} from './transferStore';

/** The screen is told of progress at most this often. */
const SHOW_EVERY_MS = 120;
/** Files named in a request; the manifest has them all. */
const LISTED_FILES = 100;
const FEATURE = 'file' as const;

interface Live {
  link?: PeerLink;
  incoming?: Incoming;
  outgoing?: Outgoing;
  unregister: () => void;
}

export function createTransferActions(deps: {
  api: Pick<Api, 'capability' | 'ice'>;
  socket: Socket;
  router: SessionRouter;
  store: TransferStore;
  rooms: RoomStore;
  verify: Verify;
  hash: HashPort;
}) {
  const { api, socket, router, store, verify, hash } = deps;
  const live = new Map<string, Live>();
  const view = (sessionId: string): TransferView | undefined => store.getState().transfers[sessionId];
  const patch = (sessionId: string, change: Partial<TransferView>) => patchTransfer(store, sessionId, change);

  function partyOf({ roomId, peerId, sessionId }: TransferView) {
    return { room_id: roomId, target: peerId, session_id: sessionId };
  }

  /** The one way out: whatever happens later to this session changes nothing any more. */
  function finish(sessionId: string, change: Partial<TransferView>): void {
    const one = live.get(sessionId);
    live.delete(sessionId);
    one?.unregister();
    one?.outgoing?.stop();
    void one?.incoming?.stop();
    const now = view(sessionId);
    if (now && isOpen(now)) patch(sessionId, { rate: 0, ...change });
  }

  function failed(sessionId: string, error: { code: string; detail: string }): void {
    finish(
      sessionId,
      error.code === 'CANCELLED' ? { phase: 'cancelled', error } : { phase: 'failed', error },
    );
  }

  function tell(
    type: 'share.decline' | 'share.cancel' | 'share.completed',
    transfer: TransferView,
    reason?: Reason,
  ) {
    try {
      socket.send(type, { ...partyOf(transfer), ...(reason ? { reason } : {}) });
    } catch {
      // Away from the server: the other side finds out through the channel, or by time.
    }
  }

  function progressMeter(sessionId: string) {
    const meter = new RateMeter();
    let shownAt = 0;
    return (moved: number) => {
      const now = performance.now();
      const size = view(sessionId)?.size ?? 0;
      if (now - shownAt < SHOW_EVERY_MS && moved < size) return;
      shownAt = now;
      patch(sessionId, { moved, rate: meter.add(moved, now) });
    };
  }

  function linkFor(
    transfer: TransferView,
    self: string,
    opening: Awaited<ReturnType<typeof openingFor>>,
    on: { open: () => void; frame: (frame: Parameters<Incoming['frame']>[0]) => void; done: () => boolean },
  ): PeerLink {
    const { sessionId, roomId, peerId } = transfer;
    const party = { ...partyOf(transfer), feature: FEATURE };
    const refused = (error: Error) => {
      if (view(sessionId)?.phase === 'connecting') failed(sessionId, failureOf(error));
    };
    return new PeerLink({
      feature: FEATURE,
      roomId,
      sessionId,
      self,
      remote: peerId,
      identity: opening.identity,
      iceServers: opening.ice,
      capability: opening.token,
      verify,
      signal: {
        offer: (sdp, cap_token) => socket.relay('rtc.offer', { ...party, cap_token, sdp }, refused),
        answer: (sdp, cap_token) => socket.relay('rtc.answer', { ...party, cap_token, sdp }, refused),
        candidate: (candidate, cap_token) => void socket.send('rtc.ice', { ...party, cap_token, candidate }),
      },
      onOpen: on.open,
      onFrame: on.frame,
      onPath: (path) => patch(sessionId, { path }),
      onEnd: ({ code, detail }) => {
        if (on.done()) finish(sessionId, { phase: 'done' });
        else failed(sessionId, { code: code === 'DONE' ? 'CONNECTION' : code, detail });
      },
    });
  }

  function faulty(sessionId: string, fault: TransferFault): void {
    const link = live.get(sessionId)?.link;
    failed(sessionId, { code: fault.code, detail: fault.message });
    link?.send({
      type: 'FILE_ERROR',
      code: fault.code,
      detail: fault.message,
      file: fault.file ?? null,
    });
    link?.bye(fault.code, fault.message);
  }

  function markFile(sessionId: string, index: number, change: Partial<TransferFile>): void {
    const files = view(sessionId)?.files.map((file, at) => (at === index ? { ...file, ...change } : file));
    if (files) patch(sessionId, { files });
  }

  function showManifest(sessionId: string, files: readonly ManifestFile[]): void {
    patch(sessionId, {
      files: files.map((file) => ({ path: file.path, size: file.size, hash: file.hash, verified: false })),
      count: files.length,
    });
  }

  function onSignal(sessionId: string, event: SignalEvent): void {
    const one = live.get(sessionId);
    switch (event.type) {
      case 'rtc.answer':
        void one?.link?.takeAnswer(event.payload.sdp, event.payload.cap_token);
        return;
      case 'rtc.ice':
        void one?.link?.takeCandidate(event.payload.candidate);
        return;
      case 'share.decline':
        finish(sessionId, {
          phase: 'declined',
          error: { code: event.payload.reason ?? 'declined', detail: '' },
        });
        return;
      case 'share.cancel':
        // Another device of the room took it: nothing here needs attention any more.
        if (view(sessionId)?.phase === 'offered' && event.payload.reason === 'taken') {
          finish(sessionId, {});
          dropTransfer(store, sessionId);
          return;
        }
        one?.link?.bye('CANCELLED');
        finish(sessionId, {
          phase: 'cancelled',
          error: { code: event.payload.reason ?? 'cancelled', detail: '' },
        });
        return;
      case 'cap.revoked':
        one?.link?.bye('REVOKED');
        failed(sessionId, { code: 'REVOKED', detail: '' });
        return;
    }
  }

  function offered(event: EventOf<'share.file.request'>): void {
    const { room_id: roomId, session_id: sessionId, name, size, count, files } = event.payload;
    const peer = deps.rooms.getState().rooms[roomId]?.peers[event.from];
    if (!peer || event.from === socket.current.peerId || view(sessionId)) return;
    putTransfer(store, {
      sessionId,
      roomId,
      peerId: event.from,
      peerName: peer.name,
      deviceName: peer.device_name,
      peerKind: peer.kind,
      direction: 'in',
      name,
      size,
      count,
      files: files.map((file) => ({ ...file, verified: false })),
      phase: 'offered',
      moved: 0,
      prepared: 0,
      rate: 0,
      startedAt: Date.now(),
    });
    live.set(sessionId, {
      unregister: router.register(sessionId, event.from, (later) => onSignal(sessionId, later)),
    });
  }

  async function accept(transfer: TransferView, sink: Sink): Promise<void> {
    const { sessionId, roomId, peerId, size } = transfer;
    const one = live.get(sessionId);
    if (!one) return;
    patch(sessionId, { phase: 'connecting', sink: sink.kind });
    const self = myPeer(socket);
    const opening = await openingFor(api, {
      room_id: roomId,
      peer_id: self,
      caps: ['share:file'],
      target_peer_id: peerId,
      session_id: sessionId,
    });
    await opening.token();
    if (live.get(sessionId) !== one) return;
    let allWritten = false;
    const show = progressMeter(sessionId);
    const incoming = new Incoming(sessionId, size, sink, hash, {
      send: (frame) => one.link?.send(frame),
      manifest: (files) => {
        showManifest(sessionId, files);
        patch(sessionId, { phase: 'moving' });
      },
      progress: show,
      fileDone: (file) => markFile(sessionId, file, { verified: true }),
      done: () => {
        allWritten = true;
        // The sender says BYE; should it vanish first, the files are there all the same.
        patch(sessionId, { moved: size, phase: 'saving' });
        window.setTimeout(() => {
          one.link?.bye('DONE');
          finish(sessionId, { phase: 'done' });
        }, 2_000);
      },
      fault: (fault) => faulty(sessionId, fault),
    });
    one.incoming = incoming;
    one.link = linkFor(transfer, self, opening, {
      open: () => patch(sessionId, { phase: 'moving' }),
      frame: (frame) => incoming.frame(frame),
      done: () => allWritten,
    });
    one.unregister();
    one.unregister = router.register(sessionId, peerId, (event) => {
      if (event.type === 'rtc.offer') void one.link?.takeOffer(event.payload.sdp, event.payload.cap_token);
      else onSignal(sessionId, event);
    });
    socket.relay('share.accept', partyOf(transfer), (error) => failed(sessionId, failureOf(error)));
  }

  async function ask(
    transfer: TransferView,
    one: Live,
    outgoing: Outgoing,
    finished: () => boolean,
  ): Promise<void> {
    const { sessionId, roomId, peerId, size, name, files } = transfer;
    const self = myPeer(socket);
    const opening = await openingFor(api, {
      room_id: roomId,
      peer_id: self,
      caps: ['share:file'],
      target_peer_id: peerId,
      session_id: sessionId,
      max_size: size,
    });
    const cap_token = await opening.token();
    if (live.get(sessionId) !== one) return;
    one.unregister = router.register(sessionId, peerId, (event) => {
      if (event.type !== 'share.accept') {
        onSignal(sessionId, event);
      } else if (!one.link) {
        patch(sessionId, { phase: 'connecting' });
        one.link = linkFor(transfer, self, opening, {
          open: () => {
            const prepared = (view(sessionId)?.prepared ?? 0) >= size;
            patch(sessionId, { phase: prepared ? 'moving' : 'preparing' });
            void outgoing.start();
          },
          frame: (frame) => outgoing.frame(frame),
          done: finished,
        });
        void one.link.offer();
      }
    });
    const listed = files.slice(0, LISTED_FILES).map((file) => ({ path: file.path, size: file.size }));
    socket.relay(
      'share.file.request',
      { ...partyOf(transfer), cap_token, name, size, count: files.length, files: listed },
      (error) => failed(sessionId, failureOf(error)),
    );
  }

  return {
    /** Offers files to one peer. */
    offer(roomId: string, peer: Peer, chosen: readonly File[]): void {
      if (chosen.length === 0) return;
      const sessionId = newId();
      const files = uniqueNames(chosen).map(([path, content]) => ({ path, content }));
      const size = chosen.reduce((sum, file) => sum + file.size, 0);
      const transfer: TransferView = {
        sessionId,
        roomId,
        peerId: peer.peer_id,
        peerName: peer.name,
        deviceName: peer.device_name,
        peerKind: peer.kind,
        direction: 'out',
        name: files[0]?.path ?? '',
        size,
        count: files.length,
        files: files.map(({ path, content }) => ({ path, size: content.size, verified: false })),
        phase: 'asking',
        moved: 0,
        prepared: 0,
        rate: 0,
        startedAt: Date.now(),
      };
      putTransfer(store, transfer);
      const one: Live = { unregister: () => {} };
      live.set(sessionId, one);
      let finished = false;
      const show = progressMeter(sessionId);
      const outgoing = new Outgoing(files, hash, {
        send: (frame) => one.link?.send(frame),
        writable: () => one.link?.writable() ?? Promise.resolve(),
        prepared: (prepared) => patch(sessionId, { prepared }),
        manifest: (list) => {
          showManifest(sessionId, list);
          patch(sessionId, { phase: 'moving' });
        },
        progress: show,
        fileDone: (file) => markFile(sessionId, file, { verified: true }),
        done: () => {
          finished = true;
          patch(sessionId, { moved: size });
          tell('share.completed', transfer);
          one.link?.bye('DONE');
        },
        fault: (fault) => {
          if (!one.link) tell('share.cancel', transfer, 'failed');
          faulty(sessionId, fault);
        },
      });
      one.outgoing = outgoing;
      ask(transfer, one, outgoing, () => finished).catch((error) => failed(sessionId, failureOf(error)));
    },

    /** `sink` was chosen at the click, since browsers open their dialogs only then. */
    accept(sessionId: string, sink: Sink): void {
      const transfer = view(sessionId);
      if (transfer?.phase !== 'offered') return;
      accept(transfer, sink).catch((error) => failed(sessionId, failureOf(error)));
    },

    decline(sessionId: string): void {
      const transfer = view(sessionId);
      if (transfer?.phase !== 'offered') return;
      tell('share.decline', transfer, 'declined');
      finish(sessionId, { phase: 'declined' });
      dropTransfer(store, sessionId);
    },

    cancel(sessionId: string): void {
      const transfer = view(sessionId);
      if (!transfer || !isOpen(transfer)) return;
      const link = live.get(sessionId)?.link;
      tell('share.cancel', transfer, 'cancelled');
      finish(sessionId, { phase: 'cancelled', error: { code: 'cancelled', detail: '' } });
      link?.bye('CANCELLED');
    },

    /** Takes a finished card away. */
    dismiss(sessionId: string): void {
      const transfer = view(sessionId);
      if (transfer && !isOpen(transfer)) dropTransfer(store, sessionId);
    },

    handle(event: SignalEvent): void {
      if (event.type === 'share.file.request') offered(event);
      // Whoever offered is gone: the card would only lead nowhere.
      else if (event.type === 'room.left')
        for (const transfer of Object.values(store.getState().transfers))
          if (
            transfer.peerId === event.payload.peer_id &&
            (transfer.phase === 'offered' || transfer.phase === 'asking')
          )
            finish(transfer.sessionId, { phase: 'cancelled', error: { code: 'gone', detail: '' } });
    },
  };
}

function uniqueNames(files: readonly File[]): [string, File][] {
  const taken = new Set<string>();
  return files.map((file) => {
    const name = sendableName(file.name);
    const dot = name.lastIndexOf('.');
    let candidate = name;
    for (let number = 1; taken.has(candidate.normalize('NFC').toLowerCase()); number++)
      candidate = dot > 0 ? `${name.slice(0, dot)} (${number})${name.slice(dot)}` : `${name} (${number})`;
    taken.add(candidate.normalize('NFC').toLowerCase());
    return [candidate, file];
  });
}
