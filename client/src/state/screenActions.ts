// Shared screens: shown by this page to a room or to the other end of a call, and watched. Each is a session of its own, with a
// connection to each viewer; the one who shows asks, who watches accepts.

import { setHint } from '../lib/call/display';
import { screenLimits } from '../lib/call/sharing';
import { newId } from '../lib/ids';
import { NotConnected } from '../lib/ws';
import type { Frame, FrameOf } from '../protocol/frames';
import type { EventOf, SignalEvent } from '../protocol/signal';
import { Links } from './callLinks';
import type { ScreenView } from './callStore';
import type { CallDeps } from './calls';
import { failureOf, myPeer } from './sessions';

/** Positions of a pointer count from 0 to this, both ways. */
export const POINTER_RANGE = 10_000;
/** A pointer that rests is taken away. */
const POINTER_MS = 4_000;
const VIEWERS = 24;

interface Live {
  links: Links;
  /** Of a screen that this page shows. */
  stream?: MediaStream;
  /** To whom it is shown: these peers, or the room. */
  targets?: string[];
  pointers: Map<string, number>;
}

export function createScreenActions(deps: CallDeps) {
  const { api, socket, rooms, store } = deps;
  const live = new Map<string, Live>();
  /** Watched by themselves once: who stops watching is not brought back. */
  const seen = new Set<string>();
  let knownPeer = socket.current.peerId;
  const view = (sessionId: string) => store.getState().screens[sessionId];

  function put(screen: ScreenView): void {
    store.setState((state) => ({ screens: { ...state.screens, [screen.sessionId]: screen } }));
  }

  function patch(sessionId: string, change: Partial<ScreenView>): void {
    const screen = view(sessionId);
    if (screen) put({ ...screen, ...change });
  }

  function forget(sessionId: string): void {
    live.get(sessionId)?.links.close('DONE');
    live.delete(sessionId);
    store.setState((state) => {
      const { [sessionId]: _, ...screens } = state.screens;
      return { screens };
    });
  }

  function say(
    type: 'screen.share.accept' | 'screen.share.stop',
    payload: { room_id: string; session_id: string; target?: string },
  ): void {
    try {
      socket.send(type, payload);
    } catch (error) {
      if (!(error instanceof NotConnected)) throw error;
    }
  }

  /** Shows a screen that the person has chosen. In a call with one person it is theirs alone to see. */
  async function show(roomId: string, stream: MediaStream, mode: 'detail' | 'motion'): Promise<void> {
    const sessionId = newId();
    const { call } = store.getState();
    const alone = call?.person && call.roomId === roomId && call.phase === 'in';
    const targets = alone ? Object.keys(call.participants) : undefined;
    const me = deps.me();
    live.set(sessionId, { links: new Links(deps), stream, targets, pointers: new Map() });
    put({
      sessionId,
      roomId,
      peerId: socket.current.peerId ?? '',
      userId: me?.user_id ?? '',
      name: me?.name ?? '',
      mine: true,
      phase: 'connecting',
      mode,
      media: stream,
      recording: false,
      viewers: [],
      pointers: {},
    });
    for (const track of stream.getTracks()) {
      if (track.kind === 'video') setHint(track, mode);
      // The browser's own bar, or the window that was closed.
      track.onended = () => stop(sessionId);
    }
    try {
      for (const target of targets ?? [undefined]) await request(roomId, sessionId, target);
      patch(sessionId, { phase: 'live' });
    } catch (error) {
      fail(sessionId, failureOf(error));
    }
  }

  async function request(room_id: string, session_id: string, target?: string): Promise<void> {
    const to = target === undefined ? {} : { target };
    const { cap_token } = await api.capability({
      room_id,
      peer_id: myPeer(socket),
      caps: ['screen'],
      session_id,
      ...(target === undefined ? {} : { target_peer_id: target }),
    });
    if (!live.has(session_id)) return;
    socket.relay('screen.share.request', { room_id, session_id, cap_token, ...to }, (error) =>
      fail(session_id, failureOf(error)),
    );
  }

  function fail(sessionId: string, end: { code: string; detail: string }): void {
    const one = live.get(sessionId);
    one?.stream?.getTracks().forEach(endTrack);
    one?.links.close(end.code);
    live.delete(sessionId);
    patch(sessionId, { phase: 'ended', end, media: undefined });
  }

  function stop(sessionId: string): void {
    const screen = view(sessionId);
    const one = live.get(sessionId);
    if (!screen) return;
    const { roomId: room_id, mine, peerId } = screen;
    if (one && mine) {
      for (const target of one.targets ?? [undefined])
        say('screen.share.stop', { room_id, session_id: sessionId, ...(target ? { target } : {}) });
      one.stream?.getTracks().forEach(endTrack);
      one.links.close('STOPPED');
      live.delete(sessionId);
      forget(sessionId);
    } else if (screen.phase === 'ended') {
      forget(sessionId);
    } else {
      say('screen.share.stop', { room_id, session_id: sessionId, target: peerId });
      one?.links.close('DONE');
      live.delete(sessionId);
      patch(sessionId, { phase: 'offered', media: undefined, viewers: [], pointers: {} });
    }
  }

  /** A viewer came: the screen goes to them, and everybody learns that they watch. */
  function serve(sessionId: string, peerId: string): void {
    const one = live.get(sessionId);
    const screen = view(sessionId);
    const peer = screen && rooms.getState().rooms[screen.roomId]?.peers[peerId];
    if (!one?.stream || !screen || !peer || one.links.size >= VIEWERS) return;
    if (one.targets && !one.targets.includes(peerId)) return;
    const mode = screen.mode ?? 'detail';
    const tellAll = (change: (viewers: ScreenView['viewers']) => ScreenView['viewers']) => {
      patch(sessionId, { viewers: change(view(sessionId)?.viewers ?? []) });
      one.links.each((link) => link.setLimits(screenLimits(one.links.size, view(sessionId)?.mode ?? mode)));
      tellViewers(sessionId);
    };
    one.links.open(
      peerId,
      {
        feature: 'screen',
        roomId: screen.roomId,
        sessionId,
        first: true,
        sends: true,
        receives: false,
        onOpen: () =>
          tellAll((viewers) => [
            ...viewers.filter((viewer) => viewer.peerId !== peerId),
            { peerId, name: peer.name, recording: false },
          ]),
        onState: () => {},
        onStats: () => {},
        onFrame: (frame) => fromViewer(sessionId, peerId, peer.name, frame),
        onEnd: () => {
          takePointer(sessionId, peerId);
          tellAll((viewers) => viewers.filter((viewer) => viewer.peerId !== peerId));
        },
      },
      (link) => {
        for (const track of one.stream?.getTracks() ?? [])
          void link.setTrack(track.kind === 'audio' ? 'audio' : 'video', track);
        link.setLimits(screenLimits(one.links.size, mode));
      },
    );
  }

  function tellViewers(sessionId: string): void {
    const screen = view(sessionId);
    if (!screen?.mode) return;
    const frame: FrameOf<'SCREEN_STATE'> = {
      type: 'SCREEN_STATE',
      mode: screen.mode,
      viewers: screen.viewers.map(({ peerId, name, recording }) => ({ peer_id: peerId, name, recording })),
    };
    live.get(sessionId)?.links.each((link) => link.send(frame));
  }

  function fromViewer(sessionId: string, peerId: string, name: string, frame: Frame): void {
    const screen = view(sessionId);
    if (!screen) return;
    if (frame.type === 'MEDIA_STATE') {
      const viewers = screen.viewers.map((viewer) =>
        viewer.peerId === peerId ? { ...viewer, recording: frame.recording } : viewer,
      );
      patch(sessionId, { viewers });
      tellViewers(sessionId);
    } else if (frame.type === 'SCREEN_POINTER') {
      // By whom it is, the viewer does not say: the connection does.
      const pointer = { type: 'SCREEN_POINTER' as const, peer_id: peerId, name, x: frame.x, y: frame.y };
      takePointer(sessionId, peerId, name, frame.x, frame.y);
      live.get(sessionId)?.links.each((link, peer) => {
        if (peer !== peerId) link.send(pointer);
      });
    }
  }

  function takePointer(sessionId: string, peerId: string, name?: string, x?: number, y?: number): void {
    const screen = view(sessionId);
    const one = live.get(sessionId);
    if (!screen || !one) return;
    window.clearTimeout(one.pointers.get(peerId));
    one.pointers.delete(peerId);
    const { [peerId]: _, ...pointers } = screen.pointers;
    if (name === undefined || x === undefined || y === undefined || x > POINTER_RANGE || y > POINTER_RANGE) {
      patch(sessionId, { pointers });
      return;
    }
    patch(sessionId, { pointers: { ...pointers, [peerId]: { name, x, y } } });
    one.pointers.set(
      peerId,
      window.setTimeout(() => takePointer(sessionId, peerId), POINTER_MS),
    );
  }

  function watch(sessionId: string): void {
    const screen = view(sessionId);
    if (!screen || screen.mine || live.has(sessionId)) return;
    const { roomId, peerId } = screen;
    const one: Live = { links: new Links(deps), pointers: new Map() };
    live.set(sessionId, one);
    seen.add(sessionId);
    patch(sessionId, { phase: 'connecting', end: undefined });
    say('screen.share.accept', { room_id: roomId, session_id: sessionId, target: peerId });
    one.links.open(
      peerId,
      {
        feature: 'screen',
        roomId,
        sessionId,
        first: false,
        sends: false,
        receives: true,
        onOpen: (media) => {
          patch(sessionId, { phase: 'live', media });
          tellRecording(sessionId);
        },
        onState: (phase) => patch(sessionId, { phase }),
        onStats: ({ path }) => patch(sessionId, { path }),
        onFrame: (frame) => {
          if (frame.type === 'SCREEN_STATE')
            patch(sessionId, {
              mode: frame.mode,
              viewers: frame.viewers.map(({ peer_id, name, recording }) => ({
                peerId: peer_id,
                name,
                recording,
              })),
            });
          else if (frame.type === 'SCREEN_POINTER' && frame.peer_id)
            takePointer(sessionId, frame.peer_id, frame.name ?? '', frame.x, frame.y);
        },
        onEnd: ({ code, detail }) => {
          if (live.get(sessionId) !== one) return;
          live.delete(sessionId);
          if (code === 'STOPPED' || code === 'DONE') forget(sessionId);
          else patch(sessionId, { phase: 'ended', end: { code, detail }, media: undefined });
        },
      },
      () => {},
    );
  }

  function tellRecording(sessionId: string): void {
    const recording = view(sessionId)?.recording ?? false;
    live
      .get(sessionId)
      ?.links.each((link) => link.send({ type: 'MEDIA_STATE', audio: false, video: false, recording }));
  }

  function offered(event: EventOf<'screen.share.request' | 'screen.share.accept'>): void {
    const { room_id: roomId, session_id: sessionId } = event.payload;
    const peer = rooms.getState().rooms[roomId]?.peers[event.from];
    if (!peer || event.from === socket.current.peerId || view(sessionId)) return;
    put({
      sessionId,
      roomId,
      peerId: event.from,
      userId: peer.user_id,
      name: peer.name,
      mine: false,
      phase: 'offered',
      recording: false,
      viewers: [],
      pointers: {},
    });
  }

  /** In a call, what the others of it show is seen without asking. */
  store.subscribe(({ call, screens }) => {
    if (call?.phase !== 'in') return;
    for (const screen of Object.values(screens))
      if (
        screen.phase === 'offered' &&
        !seen.has(screen.sessionId) &&
        screen.roomId === call.roomId &&
        call.participants[screen.peerId]
      ) {
        seen.add(screen.sessionId);
        queueMicrotask(() => watch(screen.sessionId));
      }
  });

  function onSignal(event: EventOf<'rtc.offer' | 'rtc.answer' | 'rtc.ice'>): void {
    if (event.payload.feature !== 'screen') return;
    live.get(event.payload.session_id)?.links.signal(event);
  }

  function onRevoked(sessionId: string): void {
    live.get(sessionId)?.links.each((link) => {
      link.prove(true).catch(() => {
        link.bye('REVOKED');
        if (view(sessionId)?.mine && live.get(sessionId)?.links.size === 0)
          fail(sessionId, { code: 'REVOKED', detail: '' });
      });
    });
  }

  return {
    show,
    stop,
    watch,

    setMode(sessionId: string, mode: 'detail' | 'motion'): void {
      const one = live.get(sessionId);
      patch(sessionId, { mode });
      for (const track of one?.stream?.getVideoTracks() ?? []) setHint(track, mode);
      one?.links.each((link) => link.setLimits(screenLimits(one.links.size, mode)));
      tellViewers(sessionId);
    },

    /** Where this viewer points, in parts of `POINTER_RANGE`; without a place it points no more. */
    point(sessionId: string, at?: { x: number; y: number }): void {
      live.get(sessionId)?.links.each((link) => link.send({ type: 'SCREEN_POINTER', ...at }));
    },

    setRecording(sessionId: string, recording: boolean): void {
      patch(sessionId, { recording });
      tellRecording(sessionId);
    },

    leave(): void {
      for (const sessionId of Object.keys(store.getState().screens)) {
        if (live.has(sessionId)) stop(sessionId);
        forget(sessionId);
      }
    },

    handle(event: SignalEvent): void {
      switch (event.type) {
        case 'screen.share.request':
          offered(event);
          return;
        case 'screen.share.accept':
          if (view(event.payload.session_id)?.mine) serve(event.payload.session_id, event.from);
          else offered(event);
          return;
        case 'screen.share.stop': {
          const screen = view(event.payload.session_id);
          if (screen?.mine) live.get(screen.sessionId)?.links.drop(event.from, 'DONE');
          else if (screen?.peerId === event.from) forget(screen.sessionId);
          return;
        }
        case 'rtc.offer':
        case 'rtc.answer':
        case 'rtc.ice':
          onSignal(event);
          return;
        case 'cap.revoked':
          onRevoked(event.payload.session_id);
          return;
        case 'room.joined': {
          const { room_id, peer_id: target, kind } = event.payload;
          if (kind !== 'page' || target === socket.current.peerId) return;
          for (const [session_id, one] of live)
            if (one.stream && !one.targets && view(session_id)?.roomId === room_id)
              say('screen.share.accept', { room_id, session_id, target });
          return;
        }
        case 'room.left':
          for (const screen of Object.values(store.getState().screens)) {
            if (screen.roomId !== event.payload.room_id) continue;
            if (screen.peerId === event.payload.peer_id) forget(screen.sessionId);
            else live.get(screen.sessionId)?.links.drop(event.payload.peer_id, 'DONE');
          }
          return;
        case 'system.welcome':
          if (event.payload.peer_id !== knownPeer) beginAnew();
          else for (const one of live.values()) one.links.each((link) => link.refresh());
          knownPeer = event.payload.peer_id;
          return;
      }
    },
  };

  /** Another peer than before: what this page shows is another session, what it watched is offered again. */
  function beginAnew(): void {
    for (const screen of Object.values(store.getState().screens)) {
      const one = live.get(screen.sessionId);
      one?.links.close('CONNECTION');
      live.delete(screen.sessionId);
      forget(screen.sessionId);
      const { stream } = one ?? {};
      if (!screen.mine || !stream) continue;
      const again = rooms.subscribe((state) => {
        if (!state.rooms[screen.roomId]?.peers[socket.current.peerId ?? '']) return;
        again();
        void show(screen.roomId, stream, screen.mode ?? 'detail');
      });
    }
  }
}

function endTrack(track: MediaStreamTrack): void {
  track.onended = null;
  track.stop();
}
