// Watching and controlling terminals of other machines: consent, direct connection, leases. The host decides; this side
// asks, shows and renews.

import type { Api } from '../lib/api';
import type { Verify } from '../lib/capability';
import { newId } from '../lib/ids';
import type { PeerLink } from '../lib/rtc';
import { TerminalScreen } from '../lib/terminal';
import type { Socket } from '../lib/ws';
import type { Answer, Frame, Lease, Question } from '../protocol/frames';
import type { Peer, Share, SignalEvent } from '../protocol/signal';
import { failureOf, linkFor, myPeer, openingFor, type SessionRouter, tokenSource } from './sessions';
import { dropTerminal, patchTerminal, type TerminalStore, type TerminalView } from './terminalStore';

/** Leases last 60 s; half of that leaves time for one failed try. */
const RENEW_EVERY_MS = 30_000;
/** As many as a machine asks its owner at once. */
const MAX_QUESTIONS = 16;

interface Live {
  screen: TerminalScreen;
  /** The session on the wire: another one each time that the terminal is asked for. */
  wireId: string;
  link: PeerLink | undefined;
  stop: () => void;
  fingerprint: string | undefined;
  viewToken: (() => Promise<string>) | undefined;
  controlToken: (() => Promise<string>) | undefined;
  /** Epoch of the last grant: a lease frame of the host confirms it. */
  granted: number | undefined;
}

export interface TerminalDeps {
  api: Pick<Api, 'capability' | 'ice'>;
  socket: Socket;
  router: SessionRouter;
  store: TerminalStore;
  verify: Verify;
  /** Called when somebody types without control: the screen says why nothing happens. */
  refusedInput: (sessionId: string) => void;
}

export type TerminalActions = ReturnType<typeof createTerminalActions>;

export function createTerminalActions(deps: TerminalDeps) {
  const { api, socket, router, store, verify } = deps;
  const live = new Map<string, Live>();
  const view = (sessionId: string): TerminalView | undefined => store.getState().terminals[sessionId];
  const patch = (sessionId: string, change: Partial<TerminalView>) => patchTerminal(store, sessionId, change);

  function end(sessionId: string, reason: { code: string; detail: string }): void {
    const one = live.get(sessionId);
    one?.stop();
    one?.screen.setControl(undefined);
    const before = view(sessionId);
    if (before && before.phase !== 'ended')
      patch(sessionId, {
        phase: 'ended',
        control: 'none',
        holder: undefined,
        viewers: [],
        path: undefined,
        paused: false,
        recording: false,
        mayDecide: false,
        decides: 'no',
        questions: [],
        // A shell that exited says so first; the BYE that follows adds nothing.
        end: before.end ?? reason,
      });
  }

  function takeLease(sessionId: string, lease: Lease): void {
    const one = live.get(sessionId);
    if (!one) return;
    patch(sessionId, { mayDecide: lease.may_decide ?? false });
    if (lease.you) {
      one.granted = lease.epoch;
      one.screen.setControl(lease.epoch);
      patch(sessionId, { control: 'held', holder: undefined });
      return;
    }
    const before = view(sessionId)?.control;
    one.granted = undefined;
    // Who waits for an answer needs it to renew what is granted then.
    if (before !== 'asking') one.controlToken = undefined;
    one.screen.setControl(undefined);
    patch(sessionId, {
      control: before === 'held' ? 'lost' : (before ?? 'none'),
      holder: lease.holder ? { peerId: lease.holder, name: lease.name ?? '' } : undefined,
    });
  }

  function takeDecides(sessionId: string, decides: boolean): void {
    const before = view(sessionId)?.decides;
    patch(sessionId, {
      decides: decides ? 'yes' : before === 'asking' ? 'denied' : 'no',
      ...(decides ? {} : { questions: [] }),
    });
  }

  function takeQuestion(sessionId: string, { id, capability, who, room }: Question): void {
    const { decides, questions = [] } = view(sessionId) ?? {};
    // What was on its way while this page gave it up is for nobody.
    if (decides !== 'yes') return;
    if (questions.length < MAX_QUESTIONS)
      patch(sessionId, { questions: [...questions, { id, capability, who, room }] });
    else live.get(sessionId)?.link?.bye('PROTOCOL', 'Too many questions at once.');
  }

  function forgetQuestion(sessionId: string, id: number): void {
    const questions = view(sessionId)?.questions.filter((question) => question.id !== id);
    if (questions) patch(sessionId, { questions });
  }

  function takeFrame(sessionId: string, frame: Frame): void {
    const one = live.get(sessionId);
    if (!one) return;
    switch (frame.type) {
      case 'TERM_SNAPSHOT':
      case 'TERM_OUT':
      case 'TERM_RESIZE':
        one.screen.frame(frame);
        return;
      case 'TERM_LEASE':
        takeLease(sessionId, frame);
        return;
      case 'TERM_VIEWERS':
        patch(sessionId, {
          viewers: frame.viewers.map(({ peer_id, name }) => ({ peerId: peer_id, name })),
        });
        return;
      case 'TERM_STATE':
        patch(sessionId, { paused: frame.paused, recording: frame.recording });
        return;
      case 'TERM_DECIDE':
        takeDecides(sessionId, frame.decides);
        return;
      case 'TERM_ASK':
        takeQuestion(sessionId, frame);
        return;
      case 'TERM_WITHDRAWN':
        forgetQuestion(sessionId, frame.id);
        return;
      case 'TERM_EXIT':
        patch(sessionId, {
          end: { code: 'EXIT', detail: '', ...(frame.code === null ? {} : { exit: frame.code }) },
        });
        return;
      case 'RENEW':
        return;
      default:
        one.link?.bye('PROTOCOL', `${frame.type} does not belong here.`);
    }
  }

  async function renew(sessionId: string): Promise<void> {
    const one = live.get(sessionId);
    if (!one?.link?.isOpen || !one.viewToken) return;
    try {
      one.link.send({ type: 'RENEW', cap_token: await one.viewToken() });
      if (view(sessionId)?.control === 'held' && one.controlToken)
        one.link.send({ type: 'RENEW', cap_token: await one.controlToken() });
    } catch (error) {
      // The host cuts the lease when it lapses and says so; until then the next round tries again.
      console.debug('lease not renewed', error);
    }
  }

  function onSignal(sessionId: string, event: SignalEvent): void {
    const one = live.get(sessionId);
    const now = view(sessionId);
    if (!one || !now) return;
    switch (event.type) {
      case 'terminal.share.decline':
        end(sessionId, { code: event.payload.reason ?? 'declined', detail: '' });
        return;
      case 'terminal.control.grant':
        one.granted = event.payload.epoch;
        one.screen.setControl(event.payload.epoch);
        patch(sessionId, { control: 'held', holder: undefined });
        one.screen.takeFocus();
        return;
      case 'terminal.control.deny':
        one.controlToken = undefined;
        if (now.control === 'asking') patch(sessionId, { control: 'denied' });
        return;
      case 'rtc.answer':
        void one.link?.takeAnswer(event.payload.sdp, event.payload.cap_token);
        return;
      case 'terminal.data':
        void one.link?.takeData(event.payload.seq, event.payload.data);
        return;
      case 'rtc.ice':
        void one.link?.takeCandidate(event.payload.candidate);
        return;
      case 'cap.revoked':
        if (one.link) one.link.bye('REVOKED');
        else end(sessionId, { code: 'REVOKED', detail: '' });
        return;
    }
  }

  function fresh(screen: TerminalScreen): Live {
    return {
      screen,
      wireId: newId(),
      link: undefined,
      stop: () => {},
      fingerprint: undefined,
      viewToken: undefined,
      controlToken: undefined,
      granted: undefined,
    };
  }

  /** Asks for the terminal of a view; the rest happens as answers come. */
  function open(sessionId: string): void {
    const now = view(sessionId);
    if (!now) return;
    const screen =
      live.get(sessionId)?.screen ??
      new TerminalScreen({
        send: (frame) => live.get(sessionId)?.link?.send(frame),
        size: (cols, rows) => patch(sessionId, { cols, rows }),
        title: (title) => patch(sessionId, { title }),
        link: (link) => patch(sessionId, { link }),
        refusedInput: () => deps.refusedInput(sessionId),
      });
    screen.restart();
    const one = fresh(screen);
    live.set(sessionId, one);
    ask(now, sessionId, one).catch((error) => {
      if (live.get(sessionId) === one) end(sessionId, failureOf(error));
    });
  }

  async function ask(
    { roomId, peerId: target, share }: TerminalView,
    sessionId: string,
    one: Live,
  ): Promise<void> {
    const self = myPeer(socket);
    const { wireId } = one;
    const party = { room_id: roomId, target, session_id: wireId };
    const opening = await openingFor(api, {
      room_id: roomId,
      peer_id: self,
      caps: ['terminal:view'],
      target_peer_id: target,
      session_id: wireId,
    });
    one.viewToken = opening.token;
    one.fingerprint = opening.identity.fingerprint;
    const cap_token = await opening.token();
    const current = () => live.get(sessionId) === one;
    if (!current()) return;
    const unregister = router.register(wireId, target, (event) => {
      if (event.type === 'terminal.share.accept') connect();
      else onSignal(sessionId, event);
    });
    let timer: number | undefined;
    one.stop = () => {
      unregister();
      window.clearInterval(timer);
    };
    const refused = (error: Error) => {
      if (current() && view(sessionId)?.phase !== 'live') {
        const failure = failureOf(error);
        if (one.link) one.link.bye('IO', failure.detail);
        end(sessionId, failure);
      }
    };

    function connect(): void {
      if (one.link || view(sessionId)?.phase !== 'asking') return;
      patch(sessionId, { phase: 'connecting' });
      const session = { feature: 'terminal' as const, roomId, sessionId: wireId, self, remote: target };
      one.link = linkFor({ socket, verify }, session, opening, refused, {
        onOpen: () => {
          patch(sessionId, { phase: 'live', seen: true, tries: 0 });
          timer = window.setInterval(() => void renew(sessionId), RENEW_EVERY_MS);
        },
        onFrame: (frame) => {
          if (current()) takeFrame(sessionId, frame);
        },
        onPath: (path) => {
          one.screen.path(path.rttMs);
          patch(sessionId, { path });
        },
        onEnd: ({ code, detail }) => {
          if (current()) end(sessionId, { code, detail });
        },
      });
      void one.link.offer();
    }

    const chosen = share ? { share_id: share.id } : {};
    socket.relay('terminal.share.request', { ...party, cap_token, ...chosen }, refused);
  }

  return {
    open,

    screen: (sessionId: string): TerminalScreen | undefined => live.get(sessionId)?.screen,

    async askControl(sessionId: string): Promise<void> {
      const one = live.get(sessionId);
      const now = view(sessionId);
      if (!one || now?.phase !== 'live' || now.control === 'asking' || now.control === 'held') return;
      one.screen.expectFocus();
      patch(sessionId, { control: 'asking' });
      try {
        one.controlToken = tokenSource(api, {
          room_id: now.roomId,
          peer_id: myPeer(socket),
          caps: ['terminal:control'],
          target_peer_id: now.peerId,
          session_id: one.wireId,
          fingerprint: one.fingerprint,
        });
        const cap_token = await one.controlToken();
        const refused = () => {
          if (view(sessionId)?.control === 'asking') patch(sessionId, { control: 'denied' });
        };
        const take = { room_id: now.roomId, target: now.peerId, session_id: one.wireId, cap_token };
        socket.relay('terminal.control.take', take, refused);
      } catch (error) {
        console.debug('control not asked', error);
        one.controlToken = undefined;
        patch(sessionId, { control: 'denied' });
      }
    },

    async release(sessionId: string): Promise<void> {
      const one = live.get(sessionId);
      const now = view(sessionId);
      if (!one?.controlToken || !now) return;
      // From this moment nothing is typed any more, whenever the host hears of it.
      one.screen.setControl(undefined);
      patch(sessionId, { control: 'none' });
      try {
        const cap_token = await one.controlToken();
        socket.send('terminal.control.release', {
          room_id: now.roomId,
          target: now.peerId,
          session_id: one.wireId,
          cap_token,
        });
      } catch (error) {
        console.debug('release not sent; the lease lapses by itself', error);
      }
      one.controlToken = undefined;
    },

    /** Asks at the machine whether its owner, who looks at this page, may decide here; or gives that up. */
    decide(sessionId: string, on: boolean): void {
      const now = view(sessionId);
      if (now?.phase !== 'live' || (on && !now.mayDecide)) return;
      // When it is given up, nothing that comes still counts.
      patch(sessionId, on ? { decides: 'asking' } : { decides: 'no', questions: [] });
      live.get(sessionId)?.link?.send({ type: 'TERM_DECIDE', decides: on });
    },

    /** What the owner says to a question. */
    answer(sessionId: string, id: number, answer: Answer): void {
      if (!view(sessionId)?.questions.some((question) => question.id === id)) return;
      forgetQuestion(sessionId, id);
      live.get(sessionId)?.link?.send({ type: 'TERM_ANSWER', id, answer });
    },

    /** Asks once more for a terminal that has ended: of the same machine, which may be another peer by now. */
    again(sessionId: string, machine: Peer, share: Share | undefined, byItself: boolean): void {
      const now = view(sessionId);
      if (now?.phase !== 'ended') return;
      patch(sessionId, {
        peerId: machine.peer_id,
        share: share && { id: share.share_id, label: share.label },
        phase: 'asking',
        end: undefined,
        tries: byItself ? now.tries + 1 : 0,
      });
      open(sessionId);
    },

    /** Stops watching and forgets the screen. */
    close(sessionId: string): void {
      const one = live.get(sessionId);
      const now = view(sessionId);
      dropTerminal(store, sessionId);
      if (!one) return;
      live.delete(sessionId);
      if (one.link) one.link.bye('DONE');
      else if (now?.phase === 'asking') {
        try {
          const { roomId: room_id, peerId: target } = now;
          socket.send('terminal.share.decline', {
            room_id,
            target,
            session_id: one.wireId,
            reason: 'cancelled',
          });
        } catch {
          // The question lapses at the other side.
        }
      }
      one.stop();
      one.screen.dispose();
    },
  };
}
