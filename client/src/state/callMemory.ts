// The call that a page was in before it was loaded anew, in the tab's own storage.

import { CALL_STORED } from './callLoader';
import type { CallView } from './callStore';

export type Stored = Pick<CallView, 'roomId' | 'sessionId' | 'person' | 'audio' | 'video'>;

export function storedOf({ roomId, sessionId, person, audio, video }: CallView): Stored {
  return { roomId, sessionId, person, audio, video };
}

export function rememberCall(call: CallView): void {
  sessionStorage.setItem(CALL_STORED, JSON.stringify(storedOf(call)));
}

export function forgetCall(): void {
  sessionStorage.removeItem(CALL_STORED);
}

/** Once: whoever takes it up remembers it again. */
export function recallCall(): Stored | undefined {
  const text = sessionStorage.getItem(CALL_STORED);
  forgetCall();
  try {
    const stored = JSON.parse(text ?? 'null') as Stored | null;
    return stored?.sessionId && stored.roomId ? stored : undefined;
  } catch {
    return undefined;
  }
}
