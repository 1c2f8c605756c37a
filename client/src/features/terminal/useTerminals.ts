import { use } from 'react';
import { useMesh } from '../../app/mesh';
import type { TerminalActions } from '../../state/terminalActions';

/** What can be done with terminals; suspends until that is loaded. */
export function useTerminals(): TerminalActions {
  return use(useMesh().terminalLoader.load());
}
