// The call this page is in: called, answered, joined, left, taken up again after a reload. Nobody's word about who is in it
// counts: each of the others is shown once the connection to them was proved at both ends.
//
// Whoever is in the room's call has asked for its session (`call.request`), and says so to who comes (`call.accept`), so
// that the call goes on whoever leaves it (docs/protocol.md, "Calls and screens").

import { LevelMeter } from '../lib/call/level';
import { LocalMedia } from '../lib/call/localMedia';
import type { Kind, MediaLink } from '../lib/call/mediaLink';
import { rosterAfter, without } from '../lib/call/roster';
import { callLimits, MAX_PEOPLE } from '../lib/call/sharing';
import { SpeakerWatch } from '../lib/call/speaker';
import { chime } from '../lib/call/tone';
import { newId } from '../lib/ids';
import { SignalError } from '../lib/ws';
import type { Frame } from '../protocol/frames';
import type { EventOf, Peer, SignalEvent } from '../protocol/signal';
import { Links } from './callLinks';
import { forgetCall, recallCall, rememberCall, type Stored, storedOf } from './callMemory';
import { createRings, createSay, RING_MS } from './callRings';
import type { CallView, Participant } from './callStore';
import type { CallDeps } from './calls';
import { failureOf, myPeer } from './sessions';

/** How long somebody whose page is loaded anew has to come back. */
const BACK_MS = 15_000;
const LEVELS_EVERY_MS = 200;

interface Live {
  links: Links;
  media: LocalMedia;
  meter?: LevelMeter;
  speaker: SpeakerWatch;
  timers: Set<number>;
  /** Own pages of the person that ring, in a call with one. */
  rung: string[];
  /** This page has asked for the session, and so may answer for it. */
  asked: boolean;
}

export function createCallActions(deps: CallDeps) {
  const { api, socket, rooms, store } = deps;
  const rings = createRings(deps);
  const say = createSay(socket);
  let live: Live | undefined;
  let resuming: (Stored & { anyway?: boolean }) | undefined;
  const view = () => store.getState().call;
  const patch = (change: Partial<CallView>) => {
    const call = view();
    if (call) store.setState({ call: { ...call, ...change } });
  };
  const peerOf = (roomId: string, peerId: string): Peer | undefined =>
    rooms.getState().rooms[roomId]?.peers[peerId];

  function patchOne(peerId: string, change: Partial<Participant>): void {
    const call = view();
    const one = call?.participants[peerId];
    if (call && one) patch({ participants: { ...call.participants, [peerId]: { ...one, ...change } } });
  }

  function newMedia(): LocalMedia {
    return new LocalMedia((kind, track, fault) => {
      const call = view();
      if (!call) return;
      patch({
        [kind]: live?.media.isOn(kind) ?? false,
        faults: { ...call.faults, [kind]: fault },
      });
      live?.links.each((link) => void link.setTrack(kind, track ?? null));
      if (kind === 'audio') live?.meter?.listen(track);
      tellState();
      remember();
    });
  }

  /** Devices first: nothing is asked of anybody. `sessionId` where the call is there already. */
  function prepare(
    roomId: string,
    options: { person?: CallView['person']; sessionId?: string; audio?: boolean; video?: boolean } = {},
  ): void {
    if (view() && view()?.phase !== 'over') leave();
    live = {
      links: new Links(deps),
      media: newMedia(),
      speaker: new SpeakerWatch(),
      timers: new Set(),
      rung: [],
      asked: false,
    };
    store.setState({
      large: true,
      call: {
        phase: 'prejoin',
        roomId,
        sessionId: options.sessionId ?? store.getState().rooms[roomId]?.sessionId ?? newId(),
        ...(options.person ? { person: options.person } : {}),
        calling: false,
        participants: {},
        audio: false,
        video: false,
        faults: {},
        recording: false,
        since: Date.now(),
      },
    });
    const { media } = live;
    void media.set('audio', options.audio ?? true);
    void media.set('video', options.video ?? true);
  }

  async function join(): Promise<void> {
    const call = view();
    const now = live;
    if (!call || !now || call.phase !== 'prejoin') return;
    const { roomId, sessionId, person } = call;
    const room = rooms.getState().rooms[roomId];
    const known = person ? [] : peersOf(roomId, sessionId);
    if (known.length >= MAX_PEOPLE) return over({ code: 'CALL_FULL', detail: String(MAX_PEOPLE) });
    patch({ phase: 'joining', since: Date.now() });
    startMeter(now);
    try {
      const ringer = rings.find(sessionId);
      if (ringer) {
        rings.stop(sessionId);
        say('call.accept', {
          room_id: roomId,
          session_id: sessionId,
          ...(ringer.alone ? { target: ringer.peerId } : {}),
        });
        add(ringer.peerId);
      }
      for (const peer of known) add(peer);
      if (person && !ringer) {
        const pages = Object.values(room?.peers ?? {}).filter(
          (peer) =>
            peer.user_id === person.userId && peer.kind === 'page' && peer.peer_id !== socket.current.peerId,
        );
        if (pages.length === 0) throw new SignalError('UNROUTABLE', '');
        for (const page of pages) await request(call, now, page.peer_id);
        now.rung = pages.map((page) => page.peer_id);
      } else if (!person) {
        await request(call, now).catch((error) => {
          // Whoever was called may answer, also where they may not call: they talk with those who may.
          if (known.length === 0 && !ringer) throw error;
          say('call.accept', { room_id: roomId, session_id: sessionId });
        });
      }
      if (live !== now) return;
      const calling = Object.keys(view()?.participants ?? {}).length === 0;
      patch({ phase: 'in', calling });
      if (calling) ringFor(now);
      remember();
    } catch (error) {
      if (live === now) over(failureOf(error));
    }
  }

  /** Asks for the session, of the room or of one page, and so begins it, or comes into it. */
  async function request(call: CallView, now: Live, target?: string): Promise<void> {
    const { roomId: room_id, sessionId: session_id } = call;
    const to = target === undefined ? {} : { target };
    const { cap_token } = await api.capability({
      room_id,
      peer_id: myPeer(socket),
      caps: ['call'],
      session_id,
      ...(target === undefined ? {} : { target_peer_id: target }),
    });
    if (live !== now) return;
    socket.relay('call.request', { room_id, session_id, cap_token, ...to }, (error) => {
      if (live === now && Object.keys(view()?.participants ?? {}).length === 0) over(failureOf(error));
    });
    now.asked = true;
  }

  function ringFor(now: Live): void {
    after(now, RING_MS, () => {
      const call = view();
      if (!call?.calling) return;
      patch({ calling: false });
      if (call.person) over({ code: 'NO_ANSWER', detail: call.person.name });
    });
  }

  /** One of the others: the connection is made from here or awaited, as the ids decide. */
  function add(peerId: string): void {
    const call = view();
    const now = live;
    if (!call || !now || peerId === socket.current.peerId || call.phase === 'over') return;
    const peer = peerOf(call.roomId, peerId);
    if (!peer || (call.person && call.person.userId !== peer.user_id)) return;
    if (now.links.has(peerId) || now.links.size + 1 >= MAX_PEOPLE) return;
    const one: Participant = {
      peerId,
      userId: peer.user_id,
      name: peer.name,
      phase: 'connecting',
      audio: false,
      video: false,
      recording: false,
    };
    // Whoever comes back on another page has left the one before.
    const others = Object.fromEntries(
      Object.entries(call.participants).filter(
        ([id, other]) => id !== peerId && !(other.phase === 'lost' && other.userId === peer.user_id),
      ),
    );
    patch({ calling: false, participants: { ...others, [peerId]: one } });
    now.links.open(
      peerId,
      {
        feature: 'call',
        roomId: call.roomId,
        sessionId: call.sessionId,
        first: (socket.current.peerId ?? '') > peerId,
        sends: true,
        receives: true,
        onOpen: (media) => {
          patchOne(peerId, { phase: 'live', media });
          tellState(peerId);
          share(now);
          chime(true);
        },
        onState: (phase) => patchOne(peerId, { phase }),
        onFrame: (frame) => takeFrame(peerId, frame),
        onStats: ({ path, loss, rate }) => patchOne(peerId, { path, loss, rate }),
        onEnd: (end) => ended(now, peerId, end),
      },
      (link) => prime(now, link),
    );
  }

  function prime(now: Live, link: MediaLink): void {
    for (const kind of ['audio', 'video'] as const) void link.setTrack(kind, now.media.track(kind) ?? null);
    link.setLimits(callLimits(now.links.size));
  }

  /** The more there are, the less goes to each. */
  function share(now: Live): void {
    now.links.each((link) => link.setLimits(callLimits(now.links.size)));
  }

  function ended(now: Live, peerId: string, end: { code: string; detail: string; remote: boolean }): void {
    if (live !== now || !view()?.participants[peerId]) return;
    share(now);
    if (end.remote && end.code === 'DONE') remove(peerId);
    else patchOne(peerId, { phase: 'lost', end, media: undefined, recording: false });
  }

  /** Somebody left. A call with one person is over then; whose page is loaded anew has a moment to come back. */
  function remove(peerId: string, mayComeBack = false): void {
    const call = view();
    const now = live;
    if (!call || !now || !call.participants[peerId]) return;
    now.links.drop(peerId, 'DONE');
    const { [peerId]: gone, ...participants } = call.participants;
    patch({ participants });
    share(now);
    chime(false);
    if (!call.person || Object.keys(participants).length > 0) return;
    const name = gone?.name ?? '';
    if (!mayComeBack) {
      over({ code: 'LEFT', detail: name });
      return;
    }
    after(now, BACK_MS, () => {
      if (Object.keys(view()?.participants ?? {}).length === 0) over({ code: 'LEFT', detail: name });
    });
  }

  function takeFrame(peerId: string, frame: Frame): void {
    if (frame.type !== 'MEDIA_STATE') return;
    const { audio, video, recording } = frame;
    patchOne(peerId, { audio, video, recording });
  }

  function tellState(only?: string): void {
    const call = view();
    if (!call || !live) return;
    const { audio, video, recording } = call;
    live.links.each((link, peer) => {
      if (only === undefined || only === peer) link.send({ type: 'MEDIA_STATE', audio, video, recording });
    });
  }

  function startMeter(now: Live): void {
    if (typeof AudioContext === 'undefined') return;
    now.meter ??= new LevelMeter(now.media.track('audio'));
    const timer = window.setInterval(() => {
      const call = view();
      if (call?.phase !== 'in') return;
      const levels = new Map(now.links.levels());
      if (call.audio) levels.set('me', now.meter?.read() ?? 0);
      const speaker = now.speaker.take(levels, performance.now());
      if (speaker !== call.speaker) patch({ speaker });
    }, LEVELS_EVERY_MS);
    now.timers.add(timer);
  }

  function after(now: Live, ms: number, run: () => void): void {
    const timer = window.setTimeout(() => {
      now.timers.delete(timer);
      if (live === now) run();
    }, ms);
    now.timers.add(timer);
  }

  function close(code: string): void {
    const now = live;
    live = undefined;
    if (!now) return;
    for (const timer of now.timers) window.clearTimeout(timer);
    now.links.close(code);
    now.media.close();
    now.meter?.close();
    forgetCall();
  }

  /** Tells the others, as far as there are any to tell. */
  function farewell(call: CallView, now: Live): void {
    if (call.phase !== 'in' && call.phase !== 'joining') return;
    const { roomId: room_id, sessionId: session_id } = call;
    if (call.person) {
      const others = new Set([...now.rung, ...Object.keys(call.participants)]);
      for (const target of others) say('call.end', { room_id, session_id, target });
    } else {
      say('call.end', { room_id, session_id });
    }
    const self = socket.current.peerId ?? '';
    store.setState((state) => ({ rooms: without(state.rooms, room_id, self, session_id) }));
  }

  function over(end: { code: string; detail: string }): void {
    const call = view();
    if (call && live) farewell(call, live);
    close('DONE');
    patch({ phase: 'over', end, participants: {}, calling: false, recording: false });
    if (view()) store.setState({ large: true });
  }

  function leave(): void {
    const call = view();
    if (call && live) farewell(call, live);
    close('DONE');
    store.setState({ call: undefined });
  }

  /** For the page that is loaded anew in the middle of it. */
  function remember(): void {
    const call = view();
    if (!call || !live || call.phase !== 'in') return;
    rememberCall(call);
  }

  const peersOf = (roomId: string, sessionId: string) => {
    const known = store.getState().rooms[roomId];
    return known?.sessionId === sessionId ? known.peers.filter((peer) => peer !== socket.current.peerId) : [];
  };

  function onRequest(event: EventOf<'call.request'>): void {
    const { room_id, session_id } = event.payload;
    if (comesBack(event)) return;
    const call = view();
    if (live && call && call.roomId === room_id && call.phase !== 'over' && call.phase !== 'prejoin') {
      if (call.sessionId === session_id) {
        say('call.accept', { room_id, session_id, target: event.from });
        add(event.from);
        return;
      }
      // Two began the room's call in the same moment: the smaller id is the one that both go on with.
      if (!call.person && event.payload.target === undefined && call.calling) {
        if (session_id < call.sessionId) void move(session_id, event.from);
        return;
      }
    }
    const others = store.getState().rooms[room_id];
    const running = others?.sessionId === session_id && others.peers.some((peer) => peer !== event.from);
    if (!running) rings.begin(event);
  }

  async function move(sessionId: string, caller: string): Promise<void> {
    const call = view();
    if (!call || !live) return;
    farewell(call, live);
    patch({ sessionId, phase: 'prejoin' });
    store.setState((state) => ({
      rooms: { ...state.rooms, [call.roomId]: { sessionId, peers: [caller] } },
    }));
    await join();
  }

  function onAccept(event: EventOf<'call.accept'>): void {
    const { room_id: roomId, session_id: sessionId } = event.payload;
    const call = view();
    if (event.from !== socket.current.peerId && comesBack(event)) return;
    if (call?.sessionId === sessionId && live) {
      if (call.person && live.rung.includes(event.from)) {
        const silent = live.rung.filter((page) => page !== event.from);
        live.rung = [event.from];
        for (const target of silent)
          say('call.end', { room_id: roomId, session_id: sessionId, target, reason: 'taken' });
      }
      if (call.phase !== 'prejoin') add(event.from);
    } else if (peerOf(roomId, event.from)?.user_id === deps.me()?.user_id) {
      // Answered on another page of the same person.
      rings.stop(sessionId);
    }
  }

  /** The call that this page was in before it was loaded anew: somebody is still in it. */
  function comesBack(event: EventOf<'call.accept' | 'call.request'>): boolean {
    const stored = resuming;
    const { room_id, session_id } = event.payload;
    if (stored?.sessionId !== session_id || stored.roomId !== room_id) return false;
    resuming = undefined;
    // With one person, they ask the new page as they would ask any.
    if (event.type === 'call.request') rings.begin(event);
    prepare(room_id, stored);
    void join();
    return true;
  }

  function onEnd(event: EventOf<'call.end' | 'call.decline'>): void {
    const { session_id: sessionId, reason } = event.payload;
    const call = view();
    if (rings.find(sessionId)?.peerId === event.from && event.type === 'call.end') rings.stop(sessionId);
    if (call?.sessionId !== sessionId || !live || event.from === socket.current.peerId) return;
    if (event.type === 'call.end') remove(event.from);
    else if (call.person) over({ code: reason ?? 'declined', detail: '' });
  }

  function onLeft({ payload: { room_id, peer_id } }: EventOf<'room.left'>): void {
    if (peer_id === socket.current.peerId) {
      if (live && view()?.roomId === room_id) over({ code: 'ROOM_NOT_FOUND', detail: '' });
      return;
    }
    rings.callerLeft(peer_id);
    remove(peer_id, true);
  }

  /** Whoever may no longer is shown no longer; who still may has a new token for it. */
  function onRevoked(event: EventOf<'cap.revoked'>): void {
    const call = view();
    const now = live;
    if (!call || !now || call.sessionId !== event.payload.session_id) return;
    now.links.each((link, peer) => {
      link.prove(true).catch(() => {
        patchOne(peer, { end: { code: 'REVOKED', detail: '' } });
        link.bye('REVOKED');
        const left = Object.values(view()?.participants ?? {});
        if (left.length > 0 && left.every((one) => one.phase === 'lost'))
          over({ code: 'REVOKED', detail: '' });
      });
    });
  }

  /** Another peer than before: everybody is told anew who this is. */
  function onWelcome(event: EventOf<'system.welcome'>): void {
    const call = view();
    if (!live || !call || call.phase === 'prejoin' || call.phase === 'over') return;
    if (knownPeer === event.payload.peer_id) live.links.each((link) => link.refresh());
    else {
      const stored = storedOf(call);
      close('CONNECTION');
      store.setState({ call: undefined });
      waitFor({ ...stored, anyway: true });
    }
  }
  let knownPeer = socket.current.peerId;

  /** `anyway`: everybody else may have lost the server too, and nobody says that the call goes on. */
  function waitFor(stored: Stored & { anyway?: boolean }): void {
    resuming = stored;
    window.setTimeout(() => {
      if (resuming === stored) resuming = undefined;
    }, BACK_MS);
  }

  function onRoom(roomId: string): void {
    const stored = resuming;
    if (!stored?.anyway || stored.roomId !== roomId) return;
    resuming = undefined;
    prepare(roomId, stored);
    void join();
  }

  /** In a room whose page has just come, whoever is in a call says so. */
  function announce(event: EventOf<'room.joined'>): void {
    const call = view();
    if (!live || !call || call.roomId !== event.payload.room_id || call.phase !== 'in') return;
    const { peer_id: target, user_id, kind } = event.payload;
    if (kind !== 'page' || target === socket.current.peerId) return;
    const { roomId: room_id, sessionId: session_id } = call;
    if (call.person) {
      // Their page was loaded anew: the call waits for it.
      if (call.person.userId !== user_id || Object.keys(call.participants).length > 0 || call.calling) return;
      live.rung = [target];
      request(call, live, target).catch((error) => console.debug('not called again', error));
    } else say('call.accept', { room_id, session_id, ...(live.asked ? { target } : {}) });
  }

  return {
    prepare,
    join,
    leave,

    /** Answers what rings, as the devices were set up the last time. */
    async answer(sessionId: string, options: { video: boolean; look?: boolean }): Promise<void> {
      const one = rings.find(sessionId);
      if (!one) return;
      const person = one.alone ? { userId: one.userId, name: one.name } : undefined;
      prepare(one.roomId, { person, sessionId, video: options.video });
      if (!options.look) await join();
    },

    decline: rings.decline,
    forgetMissed: rings.forgetMissed,

    set: (kind: Kind, on: boolean): void => void live?.media.set(kind, on),

    media: (): LocalMedia | undefined => live?.media,

    /** Tries the connection to one of the others once more. */
    again(peerId: string): void {
      const call = view();
      if (!call || !live) return;
      const { roomId: room_id, sessionId: session_id } = call;
      say('call.accept', { room_id, session_id, ...(live.asked || call.person ? { target: peerId } : {}) });
      add(peerId);
    },

    setRecording(recording: boolean): void {
      patch({ recording });
      tellState();
    },

    /** Takes up the call that this page was in before it was loaded anew, if somebody is still in it. */
    resume(): void {
      const stored = recallCall();
      if (stored) waitFor(stored);
    },

    handle(event: SignalEvent): void {
      const call = view();
      const own = (sessionId: string) =>
        (call?.sessionId === sessionId && call.person !== undefined) ||
        (resuming?.sessionId === sessionId && resuming.person !== undefined) ||
        rings.find(sessionId)?.alone === true;
      const before = store.getState().rooms;
      const after = rosterAfter(before, event, own);
      if (after !== before) store.setState({ rooms: after });
      switch (event.type) {
        case 'call.request':
          if (event.from !== socket.current.peerId) onRequest(event);
          return;
        case 'call.accept':
          onAccept(event);
          return;
        case 'call.end':
        case 'call.decline':
          onEnd(event);
          return;
        case 'call.missed':
          rings.missed(event);
          return;
        case 'rtc.offer':
        case 'rtc.answer':
        case 'rtc.ice':
          onSignal(event);
          return;
        case 'cap.revoked':
          onRevoked(event);
          return;
        case 'room.state':
          onRoom(event.payload.room_id);
          return;
        case 'room.joined':
          announce(event);
          return;
        case 'room.left':
          onLeft(event);
          return;
        case 'system.welcome':
          onWelcome(event);
          knownPeer = event.payload.peer_id;
          return;
      }
    },
  };

  function onSignal(event: EventOf<'rtc.offer' | 'rtc.answer' | 'rtc.ice'>): void {
    const call = view();
    if (!live || !call || event.payload.session_id !== call.sessionId || call.phase === 'prejoin') return;
    if (event.payload.feature !== undefined && event.payload.feature !== 'call') return;
    // Who was not heard of yet: what they may is judged with the description.
    if (event.type === 'rtc.offer') add(event.from);
    live.links.signal(event);
  }
}
