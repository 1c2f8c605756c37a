// Sending and receiving is loaded with the first transfer. What the other side says meanwhile waits, in its order.

import type { SignalEvent } from '../protocol/signal';
import type { TransferActions, TransferDeps } from './transferActions';

export function createTransferLoader(deps: Omit<TransferDeps, 'hash'>) {
  let loaded: Promise<TransferActions> | undefined;
  let ready: TransferActions | undefined;
  function act(run: (actions: TransferActions) => void): void {
    loaded ??= import('./transferActions').then(({ loadTransferActions }) => {
      ready = loadTransferActions(deps);
      return ready;
    });
    loaded.then(run).catch((error) => {
      // Tried again at the next occasion: the server may have been away.
      loaded = undefined;
      console.debug('transfers could not be loaded', error);
    });
  }
  return {
    act,
    /** Before the connection is given up, so that the others are told. */
    leave: () => ready?.leave(),
    handle(event: SignalEvent): void {
      if (!loaded && event.type !== 'share.file.request') return;
      if (!/^(share|rtc|cap)\.|^room\.left$/.test(event.type)) return;
      act((actions) => {
        if (!deps.router.deliver(event)) actions.handle(event);
      });
    },
  };
}
