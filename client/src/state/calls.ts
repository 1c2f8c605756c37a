// Calls and screens together: loaded on demand as one (state/callLoader.ts).

import type { Api } from '../lib/api';
import type { Verify } from '../lib/capability';
import type { Socket } from '../lib/ws';
import type { SignalEvent } from '../protocol/signal';
import { createCallActions } from './callActions';
import type { CallStore } from './callStore';
import type { RoomStore } from './roomStore';
import { createScreenActions } from './screenActions';

export interface CallDeps {
  api: Pick<Api, 'capability' | 'ice'>;
  socket: Socket;
  rooms: RoomStore;
  store: CallStore;
  verify: Verify;
  me: () => { user_id: string; name: string } | undefined;
}

export function createCalls(deps: CallDeps) {
  const call = createCallActions(deps);
  const screens = createScreenActions(deps);
  return {
    call,
    screens,
    /** Everything ends that this page takes part in. */
    leave(): void {
      screens.leave();
      call.leave();
    },
    handle(event: SignalEvent): void {
      call.handle(event);
      screens.handle(event);
    },
  };
}

export type Calls = ReturnType<typeof createCalls>;
