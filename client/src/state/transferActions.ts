// Sending and receiving files: the questions, and the drivers of lib/transfer over a direct connection. A connection that
// was lost is made again by the sender, as long as both pages stand; the receiver goes on from what it has.

import type { Api } from '../lib/api';
import type { Verify } from '../lib/capability';
import { newId } from '../lib/ids';
import { type ChosenFile, sendable, titleOf } from '../lib/transfer/chosen';
import type { TransferFault } from '../lib/transfer/fault';
import { createHashWorkers, type HashPort } from '../lib/transfer/hashPort';
import { Incoming } from '../lib/transfer/incoming';
import { Outgoing, type PreparedFile, prepare } from '../lib/transfer/outgoing';
import { clearOldParts } from '../lib/transfer/parts';
import type { Sink } from '../lib/transfer/sink';
import { readUnfinished } from '../lib/transfer/unfinished';
import type { Socket } from '../lib/ws';
import type { ManifestFile } from '../protocol/frames';
import type { Reason } from '../protocol/generated/Reason';
import type { EventOf, Peer, SignalEvent } from '../protocol/signal';
import type { RoomStore } from './roomStore';
import { failureOf, myPeer, openingFor, type SessionRouter } from './sessions';
import { type Live, progressMeter, transferLink } from './transferLink';
import { noteOver, offerOf, remember } from './transferMemory';
import {
  dropTransfer,
  isOpen,
  partOf,
  patchTransfer,
  putTransfer,
  type TransferFile,
  type TransferStore,
  type TransferView,
} from './transferStore';

/** Files named in a request; the manifest has them all. */
const LISTED_FILES = 100;
/** An offer is answered within so long, or withdrawn. */
const OFFER_LIFE_MS = 10 * 60_000;
/** So long a lost connection is waited for, and so often in a row it is made again without a byte moved. */
const LOST_AFTER_MS = 120_000;
const VAIN_TRIES = 3;
/** How the server says that a peer is no longer there. */
const GONE = new Set(['CAP_NOT_ALLOWED', 'UNROUTABLE', 'gone']);
/** All is written; should the sender not say so within this time, it is over all the same. */
const LAST_WORD_MS = 2_000;

export interface TransferDeps {
  api: Pick<Api, 'capability' | 'ice'>;
  socket: Socket;
  router: SessionRouter;
  store: TransferStore;
  rooms: RoomStore;
  verify: Verify;
  hash: HashPort;
  /** The account that is signed in: what it sent and received is remembered as its own. */
  account: () => string | undefined;
}

/** What is sent, to whomever and however often. */
interface Source {
  files: ChosenFile[];
  hashed: Promise<PreparedFile[]>;
  prepared: number;
}

/** What this person agreed to take: it holds for another attempt of the same sender at the same offer. */
interface Consent {
  sink: Sink;
  wanted: (path: string) => boolean;
  offer: string;
  /** The attempt before has let go of its files. */
  closed: Promise<void>;
}

export type TransferActions = ReturnType<typeof createTransferActions>;

/** With the worker that hashes, once what earlier visits left is cleared away. */
export function loadTransferActions(deps: Omit<TransferDeps, 'hash'>): TransferActions {
  void clearOldParts();
  return createTransferActions({ ...deps, hash: createHashWorkers() });
}

export function createTransferActions(deps: TransferDeps) {
  const { api, socket, router, store, rooms, hash } = deps;
  const live = new Map<string, Live>();
  const sources = new Map<string, Source>();
  const consents = new Map<string, Consent>();
  /** Attempts in a row that moved nothing, by session. */
  const vain = new Map<string, number>();
  for (const transfer of readUnfinished<TransferView>()) putTransfer(store, transfer);
  store.subscribe((now, before) => {
    remember(Object.values(now.transfers));
    noteOver(now, before, deps.account(), Date.now());
  });
  const view = (sessionId: string): TransferView | undefined => store.getState().transfers[sessionId];
  const patch = (sessionId: string, change: Partial<TransferView>) => patchTransfer(store, sessionId, change);

  function partyOf({ roomId, peerId, sessionId }: TransferView) {
    return { room_id: roomId, target: peerId, session_id: sessionId };
  }

  /** The one way out: whatever happens later to this session changes nothing any more. */
  function finish(sessionId: string, change: Partial<TransferView>, keep = true): void {
    const one = live.get(sessionId);
    live.delete(sessionId);
    one?.unregister();
    window.clearTimeout(one?.timer);
    one?.outgoing?.stop();
    const consent = consents.get(sessionId);
    const closed = one?.incoming?.stop(keep);
    if (consent && closed) consent.closed = closed;
    const now = view(sessionId);
    if (now && isOpen(now)) patch(sessionId, { rate: 0, pausedHere: false, pausedThere: false, ...change });
  }

  function failed(sessionId: string, error: { code: string; detail: string }): void {
    const transfer = view(sessionId);
    const tries = vain.get(sessionId) ?? 0;
    const resumable =
      error.code === 'CONNECTION'
        ? transfer?.phase === 'moving' || tries > 0
        : tries > 0 && GONE.has(error.code);
    if (transfer && resumable && tries < VAIN_TRIES) interrupted(transfer, error);
    else
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

  /** The sender makes the connection again as soon as the other side is there; the receiver waits for it. */
  function interrupted(transfer: TransferView, error: { code: string; detail: string }): void {
    const { sessionId } = transfer;
    finish(sessionId, { phase: 'interrupted', error });
    const lost = () => {
      if (view(sessionId)?.phase === 'interrupted') finish(sessionId, { phase: 'failed', error });
    };
    const one: Live = { unregister: () => {}, timer: window.setTimeout(lost, LOST_AFTER_MS) };
    live.set(sessionId, one);
    if (transfer.direction === 'in') return;
    const left = GONE.has(error.code) ? transfer.peerId : undefined;
    const attempt = () => {
      const peer = socket.current.status === 'online' ? sameDevice(transfer, left) : undefined;
      if (!peer || live.get(sessionId) !== one) return;
      again(sessionId, peer);
    };
    one.unregister = rooms.subscribe(attempt);
    attempt();
  }

  /** The peer of a transfer, or the page of the same device after it was loaded anew. */
  function sameDevice({ roomId, peerId, userId, deviceId }: TransferView, left?: string): Peer | undefined {
    const peers = rooms.getState().rooms[roomId]?.peers ?? {};
    return (
      (peerId === left ? undefined : peers[peerId]) ??
      Object.values(peers).find(
        (peer) =>
          peer.peer_id !== left &&
          peer.user_id === userId &&
          deviceId !== undefined &&
          peer.device_id === deviceId &&
          peer.offers.includes('file'),
      )
    );
  }

  /** Offers the same once more: a session of its own, in the place of the one before. */
  function again(sessionId: string, peer: Peer): void {
    const before = view(sessionId);
    const source = sources.get(sessionId);
    if (!before || !source) return;
    const tries = before.phase === 'interrupted' ? (vain.get(sessionId) ?? 0) + 1 : 0;
    finish(sessionId, {});
    dropTransfer(store, sessionId);
    sources.delete(sessionId);
    vain.delete(sessionId);
    start(before.roomId, peer, source, before.startedAt, tries);
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

  function showFiles(sessionId: string, files: readonly ManifestFile[], skipped: (file: number) => boolean) {
    patch(sessionId, {
      files: files.map(({ file, path, size, hash }) => ({
        path,
        size,
        hash,
        verified: false,
        ...(skipped(file) ? { skipped: true } : {}),
      })),
      count: files.filter(({ file }) => !skipped(file)).length,
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
    const peer = rooms.getState().rooms[roomId]?.peers[event.from];
    if (!peer || event.from === socket.current.peerId || view(sessionId)) return;
    const offer = offerOf(roomId, peer, name, size, count, files);
    const earlier = Object.values(store.getState().transfers).find(
      (one) => isOpen(one) && consents.get(one.sessionId)?.offer === offer,
    );
    const transfer: TransferView = {
      ...partOf(peer),
      sessionId,
      roomId,
      direction: 'in',
      name,
      size,
      count,
      files: files.map((file) => ({ ...file, verified: false })),
      phase: 'offered',
      moved: 0,
      prepared: 0,
      rate: 0,
      startedAt: earlier?.startedAt ?? Date.now(),
      expiresAt: Date.now() + OFFER_LIFE_MS,
    };
    const consent = earlier && consents.get(earlier.sessionId);
    if (earlier && consent) {
      // The sender noticed first that the connection was lost.
      finish(earlier.sessionId, { phase: 'interrupted' });
      dropTransfer(store, earlier.sessionId);
      consents.delete(earlier.sessionId);
    }
    putTransfer(store, transfer);
    live.set(sessionId, {
      unregister: router.register(sessionId, event.from, (later) => onSignal(sessionId, later)),
      timer: window.setTimeout(() => declined(sessionId, 'timeout'), OFFER_LIFE_MS),
    });
    if (consent) agreed(transfer, consent);
  }

  function agreed(transfer: TransferView, consent: Consent): void {
    consents.set(transfer.sessionId, consent);
    accept(transfer, consent).catch((error) => failed(transfer.sessionId, failureOf(error)));
  }

  async function accept(transfer: TransferView, consent: Consent): Promise<void> {
    const { sessionId, roomId, peerId, size } = transfer;
    const one = live.get(sessionId);
    if (!one) return;
    window.clearTimeout(one.timer);
    patch(sessionId, { phase: 'connecting', sink: consent.sink.kind });
    await consent.closed;
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
    const show = progressMeter(deps, sessionId);
    const incoming = new Incoming(sessionId, size, ({ path }) => consent.wanted(path), consent.sink, hash, {
      send: (frame) => one.link?.send(frame),
      manifest: (files, wanted, skipped) => {
        showFiles(sessionId, files, (file) => skipped.has(file));
        patch(sessionId, { phase: 'moving', size: wanted });
      },
      progress: show,
      paused: (pausedThere) => patch(sessionId, { pausedThere }),
      fileDone: (file) => markFile(sessionId, file, { verified: true }),
      done: () => {
        allWritten = true;
        // The sender says BYE; should it vanish first, the files are there all the same.
        patch(sessionId, { moved: view(sessionId)?.size ?? 0, phase: 'saving' });
        one.timer = window.setTimeout(() => {
          one.link?.bye('DONE');
          finish(sessionId, { phase: 'done' });
        }, LAST_WORD_MS);
      },
      fault: (fault) => faulty(sessionId, fault),
    });
    one.incoming = incoming;
    one.link = transferLink(deps, transfer, self, opening, {
      open: () => patch(sessionId, { phase: 'moving' }),
      frame: (frame) => incoming.frame(frame),
      end: (error) => (allWritten ? finish(sessionId, { phase: 'done' }) : failed(sessionId, error)),
      refused: (error) => failed(sessionId, error),
    });
    one.unregister();
    one.unregister = router.register(sessionId, peerId, (event) => {
      if (event.type === 'rtc.offer') void one.link?.takeOffer(event.payload.sdp, event.payload.cap_token);
      else onSignal(sessionId, event);
    });
    socket.relay('share.accept', partyOf(transfer), (error) => failed(sessionId, failureOf(error)));
  }

  function declined(sessionId: string, reason: Reason): void {
    const transfer = view(sessionId);
    if (transfer?.phase !== 'offered') return;
    tell('share.decline', transfer, reason);
    finish(sessionId, { phase: 'declined' });
    dropTransfer(store, sessionId);
  }

  function cancelled(sessionId: string, keep: boolean): void {
    const transfer = view(sessionId);
    if (!transfer || !isOpen(transfer)) return;
    const link = live.get(sessionId)?.link;
    tell('share.cancel', transfer, 'cancelled');
    finish(sessionId, { phase: 'cancelled', error: { code: 'cancelled', detail: '' } }, keep);
    link?.bye('CANCELLED');
  }

  function forget(sessionIds: readonly string[]): void {
    for (const sessionId of sessionIds) {
      const transfer = view(sessionId);
      if (!transfer || isOpen(transfer)) continue;
      dropTransfer(store, sessionId);
      for (const map of [sources, consents, vain]) map.delete(sessionId);
    }
  }

  function sourceOf(files: ChosenFile[]): Source {
    const source: Source = {
      files,
      prepared: 0,
      hashed: prepare(files, hash, (bytes) => {
        source.prepared = bytes;
        for (const [sessionId, one] of sources) if (one === source) patch(sessionId, { prepared: bytes });
      }),
    };
    return source;
  }

  function start(roomId: string, peer: Peer, source: Source, startedAt: number, tries: number): void {
    const { files } = source;
    const sessionId = newId();
    const size = files.reduce((sum, { content }) => sum + content.size, 0);
    const transfer: TransferView = {
      ...partOf(peer),
      sessionId,
      roomId,
      direction: 'out',
      name: titleOf(files),
      size,
      count: files.length,
      files: files.map(({ path, content }) => ({ path, size: content.size, verified: false })),
      phase: 'asking',
      moved: 0,
      prepared: source.prepared,
      rate: 0,
      startedAt,
      expiresAt: Date.now() + OFFER_LIFE_MS,
    };
    putTransfer(store, transfer);
    sources.set(sessionId, source);
    vain.set(sessionId, tries);
    const expired = () => {
      tell('share.cancel', transfer, 'timeout');
      finish(sessionId, { phase: 'failed', error: { code: 'timeout', detail: '' } });
    };
    const one: Live = { unregister: () => {}, timer: window.setTimeout(expired, OFFER_LIFE_MS) };
    live.set(sessionId, one);
    let finished = false;
    const show = progressMeter(deps, sessionId);
    const outgoing = new Outgoing(files, source.hashed, {
      send: (frame) => one.link?.send(frame),
      writable: () => one.link?.writable() ?? Promise.resolve(),
      manifest: (list) => {
        showFiles(sessionId, list, () => false);
        patch(sessionId, { phase: 'moving' });
      },
      wanted: (wanted, skipped) => {
        source.hashed
          .then((list) =>
            showFiles(
              sessionId,
              list.map(({ manifest }) => manifest),
              skipped,
            ),
          )
          .catch(() => {});
        patch(sessionId, { size: wanted });
      },
      progress: (moved) => {
        if (moved > 0) vain.set(sessionId, 0);
        show(moved);
      },
      paused: (pausedThere) => patch(sessionId, { pausedThere }),
      fileDone: (file) => markFile(sessionId, file, { verified: true }),
      done: () => {
        finished = true;
        patch(sessionId, { moved: view(sessionId)?.size ?? 0 });
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
        window.clearTimeout(one.timer);
        patch(sessionId, { phase: 'connecting' });
        one.link = transferLink(deps, transfer, self, opening, {
          open: () => {
            const prepared = (sources.get(sessionId)?.prepared ?? 0) >= size;
            patch(sessionId, { phase: prepared ? 'moving' : 'preparing' });
            void outgoing.start();
          },
          frame: (frame) => outgoing.frame(frame),
          end: (error) => (finished() ? finish(sessionId, { phase: 'done' }) : failed(sessionId, error)),
          refused: (error) => failed(sessionId, error),
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
    /** Offers files to some peers, each with a session of its own. They are hashed once, while the others think about it. */
    offer(roomId: string, peers: readonly Peer[], chosen: readonly ChosenFile[]): void {
      if (chosen.length === 0) return;
      const source = sourceOf(sendable(chosen));
      for (const peer of peers) start(roomId, peer, source, Date.now(), 0);
    },

    /** `sink` was chosen at the click, since browsers open their dialogs only then. */
    accept(sessionId: string, sink: Sink, wanted: (path: string) => boolean): void {
      const transfer = view(sessionId);
      if (transfer?.phase !== 'offered') return;
      const { roomId, name, size, count, files } = transfer;
      const peer = { user_id: transfer.userId, device_id: transfer.deviceId, peer_id: transfer.peerId };
      const offer = offerOf(roomId, peer, name, size, count, files);
      agreed(transfer, { sink, wanted, offer, closed: Promise.resolve() });
    },

    decline: declined,

    cancel: (sessionId: string) => cancelled(sessionId, false),

    /** The account is signed out: nothing of it goes on, and the next one sees nothing of it. What has come is kept. */
    leave(): void {
      const sessionIds = Object.keys(store.getState().transfers);
      for (const sessionId of sessionIds) cancelled(sessionId, true);
      forget(sessionIds);
    },

    pause(sessionId: string, paused: boolean): void {
      const one = live.get(sessionId);
      if (view(sessionId)?.phase !== 'moving' || !one) return;
      one.outgoing?.pause(paused);
      one.incoming?.pause(paused);
      patch(sessionId, { pausedHere: paused, rate: 0 });
    },

    /** Only what this page sent and still has: the receiver goes on from what it kept. */
    retry(sessionId: string): void {
      const transfer = view(sessionId);
      if (!transfer || isOpen(transfer)) return;
      const peer = sameDevice(transfer);
      if (peer && sources.has(sessionId)) again(sessionId, peer);
      else patch(sessionId, { error: { code: 'gone', detail: '' } });
    },

    /** After this page was loaded anew: the same files, chosen again. */
    retryWith(sessionId: string, chosen: readonly ChosenFile[]): void {
      const transfer = view(sessionId);
      if (!transfer?.sourceLost) return;
      const files = sendable(chosen);
      const peer = sameDevice(transfer);
      const list = (named: { path: string; size: number }[]) =>
        JSON.stringify(named.map(({ path, size }) => [path, size]).sort());
      const same =
        list(transfer.files) === list(files.map(({ path, content }) => ({ path, size: content.size })));
      if (!peer || !same) {
        patch(sessionId, { error: { code: same ? 'gone' : 'OTHER_FILES', detail: '' } });
        return;
      }
      sources.set(sessionId, sourceOf(files));
      again(sessionId, peer);
    },

    /** Takes finished cards away. */
    dismiss(...sessionIds: string[]): void {
      forget(sessionIds);
    },

    handle(event: SignalEvent): void {
      if (event.type === 'share.file.request') offered(event);
      else if (event.type === 'room.left')
        for (const transfer of Object.values(store.getState().transfers)) {
          const { sessionId, phase } = transfer;
          if (transfer.peerId !== event.payload.peer_id || (phase !== 'offered' && phase !== 'asking'))
            continue;
          const error = { code: 'gone', detail: '' };
          // Whoever offered is gone: the card would only lead nowhere. Whom we were going on with may come back.
          if ((vain.get(sessionId) ?? 0) > 0) interrupted(transfer, error);
          else finish(sessionId, { phase: 'cancelled', error });
        }
    },
  };
}
