// What can be done in the room in sight, for who does it from elsewhere in the page.

import { createStore } from 'zustand/vanilla';
import type { Peer } from '../protocol/signal';

interface RoomCommands {
  roomId: string;
  invite?: (() => void) | undefined;
  settings: () => void;
  write: () => void;
  openTerminal: (machine: Peer) => void;
}

export interface CommandState {
  room?: RoomCommands | undefined;
}

export const createCommandStore = () => createStore<CommandState>(() => ({}));
