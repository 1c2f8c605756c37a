// One session in somebody's shared folder: asked for, connected, said what it is for. The owner's device answers by itself.

import type { Api } from '../../lib/api';
import type { Verify } from '../../lib/capability';
import { newId } from '../../lib/ids';
import type { PeerLink } from '../../lib/rtc';
import type { Socket } from '../../lib/ws';
import type { Frame, FrameOf } from '../../protocol/frames';
import type { Share } from '../../protocol/generated/Share';
import { failureOf, linkFor, myPeer, openingFor, type SessionRouter } from '../../state/sessions';

/** The owner's lease lasts 60 s; half of that leaves time for one failed try. */
const RENEW_EVERY_MS = 30_000;

export interface FolderDeps {
  api: Pick<Api, 'capability' | 'ice'>;
  socket: Socket;
  router: SessionRouter;
  verify: Verify;
}

export interface Failure {
  code: string;
  detail: string;
}

export type Purpose = Omit<FrameOf<'FOLDER_OPEN'>, 'type'>;

interface Events {
  opened: (frame: FrameOf<'FOLDER_OPENED'>) => void;
  frame: (frame: Frame) => void;
  /** Called once, unless `close` came first. */
  end: (failure: Failure) => void;
}

export class FolderLink {
  readonly sessionId = newId();
  private link: PeerLink | undefined;
  private unregister = () => {};
  private timer: number | undefined;
  private over = false;

  constructor(
    private readonly deps: FolderDeps,
    private readonly roomId: string,
    private readonly share: Share,
    private readonly purpose: Purpose,
    private readonly events: Events,
  ) {
    this.ask().catch((error) => this.end(failureOf(error)));
  }

  send(frame: Frame): void {
    this.link?.send(frame);
  }

  writable(): Promise<void> {
    return this.link?.writable() ?? Promise.resolve();
  }

  close(code = 'DONE'): void {
    this.settle();
    this.link?.bye(code);
  }

  private settle(): void {
    this.over = true;
    this.unregister();
    window.clearInterval(this.timer);
  }

  private end(failure: Failure): void {
    if (this.over) return;
    this.settle();
    this.events.end(failure);
  }

  private async ask(): Promise<void> {
    const { api, socket, router, verify } = this.deps;
    const { sessionId, roomId } = this;
    const self = myPeer(socket);
    const target = this.share.peer_id;
    const party = { room_id: roomId, target, session_id: sessionId };
    const opening = await openingFor(api, {
      room_id: roomId,
      peer_id: self,
      caps: ['share:folder'],
      target_peer_id: target,
      session_id: sessionId,
    });
    const cap_token = await opening.token();
    if (this.over) return;
    const refused = (error: Error) => {
      if (this.timer === undefined) this.end(failureOf(error));
    };
    const connect = () => {
      if (this.link) return;
      const session = { feature: 'folder' as const, roomId, sessionId, self, remote: target };
      this.link = linkFor({ socket, verify }, session, opening, refused, {
        onOpen: () => {
          this.link?.send({ type: 'FOLDER_OPEN', ...this.purpose });
          this.timer = window.setInterval(() => void this.renew(opening.token), RENEW_EVERY_MS);
        },
        onFrame: (frame) => {
          if (this.over) return;
          if (frame.type === 'FOLDER_OPENED') this.events.opened(frame);
          else this.events.frame(frame);
        },
        onEnd: ({ code, detail }) => this.end({ code, detail }),
      });
      void this.link.offer();
    };
    this.unregister = router.register(sessionId, target, (event) => {
      switch (event.type) {
        case 'share.accept':
          connect();
          return;
        case 'share.decline':
        case 'share.cancel':
          this.end({ code: event.payload.reason ?? 'declined', detail: '' });
          return;
        case 'rtc.answer':
          void this.link?.takeAnswer(event.payload.sdp, event.payload.cap_token);
          return;
        case 'rtc.ice':
          void this.link?.takeCandidate(event.payload.candidate);
          return;
        case 'cap.revoked':
          this.end({ code: 'REVOKED', detail: '' });
          this.link?.bye('REVOKED');
          return;
      }
    });
    const request = { ...party, cap_token, share_id: this.share.share_id };
    socket.relay(
      'share.folder.request',
      { ...request, name: 'folder', size: 0, count: 0, files: [] },
      refused,
    );
  }

  private async renew(token: () => Promise<string>): Promise<void> {
    // Only to look is a lease; a transfer passes over it.
    if (this.purpose.act !== 'browse') return;
    try {
      this.send({ type: 'RENEW', cap_token: await token() });
    } catch (error) {
      // The owner cuts the lease when it lapses and says so; until then the next round tries again.
      console.debug('lease not renewed', error);
    }
  }
}
