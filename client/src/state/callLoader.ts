// Calls and screens are loaded with the first of them. What the others say meanwhile waits, in its order.

import type { SignalEvent } from '../protocol/signal';
import type { CallDeps, Calls } from './calls';

/** Of a call that this page was in before it was loaded anew. */
export const CALL_STORED = 'mesh-call';

export function createCallLoader(deps: CallDeps) {
  let loaded: Promise<Calls> | undefined;
  function act(run: (calls: Calls) => void): void {
    loaded ??= import('./calls').then(({ createCalls }) => createCalls(deps));
    loaded.then(run).catch((error) => {
      // Tried again at the next occasion: the server may have been away.
      loaded = undefined;
      console.debug('calls could not be loaded', error);
    });
  }
  return {
    act,
    /** Takes up the call that this page was in before it was loaded anew. */
    resume(): void {
      if (sessionStorage.getItem(CALL_STORED)) act((calls) => calls.call.resume());
    },
    /** The session ends, and with it every call. */
    leave(): void {
      if (loaded) act((calls) => calls.leave());
    },
    handle(event: SignalEvent): void {
      if (loaded || /^(call|screen)\./.test(event.type)) act((calls) => calls.handle(event));
    },
  };
}
