// Calls and screens as the page shows them: what goes on in each room, what rings, and the call this page is in.

import { createStore } from 'zustand/vanilla';
import type { PathInfo } from '../lib/path';

/** Somebody calls. */
export interface Ringing {
  sessionId: string;
  roomId: string;
  /** The caller. */
  peerId: string;
  userId: string;
  name: string;
  /** This person alone was called, and not the room. */
  alone: boolean;
}

/** One of the others in a call. */
export interface Participant {
  peerId: string;
  userId: string;
  name: string;
  phase: 'connecting' | 'live' | 'reconnecting' | 'lost';
  /** Why it was lost. */
  end?: { code: string; detail: string };
  media?: MediaStream;
  audio: boolean;
  video: boolean;
  /** Records the call on its own device. */
  recording: boolean;
  path?: PathInfo;
  loss?: number;
  /** Bytes per second, both ways. */
  rate?: number;
}

export interface CallView {
  phase: /** Devices are chosen and tried. */
    | 'prejoin'
    | 'joining'
    | 'in'
    /** It could not begin, or has ended by itself: says why. */
    | 'over';
  roomId: string;
  sessionId: string;
  /** A call with one person; else it is the room's. */
  person?: { userId: string; name: string };
  /** Begun by this page, and nobody has come yet. */
  calling: boolean;
  participants: Record<string, Participant>;
  audio: boolean;
  video: boolean;
  /** What keeps the microphone or the camera off, as codes. */
  faults: { audio?: string; video?: string };
  recording: boolean;
  /** The peer who speaks or spoke last; this page's own as `me`. */
  speaker?: string;
  since: number;
  end?: { code: string; detail: string };
}

/** A screen that is shown to the room, or in a call. */
export interface ScreenView {
  sessionId: string;
  roomId: string;
  peerId: string;
  userId: string;
  name: string;
  mine: boolean;
  phase: 'offered' | 'connecting' | 'live' | 'reconnecting' | 'ended';
  mode?: 'detail' | 'motion';
  media?: MediaStream;
  recording: boolean;
  viewers: { peerId: string; name: string; recording: boolean }[];
  pointers: Record<string, { name: string; x: number; y: number }>;
  path?: PathInfo;
  end?: { code: string; detail: string };
}

export interface MissedCall {
  sessionId: string;
  roomId: string;
  userId: string;
  name: string;
  /** Unix milliseconds. */
  at: number;
}

export interface CallState {
  /** The call of each room that this page knows of, and who is in it. */
  rooms: Record<string, { sessionId: string; peers: string[] }>;
  ringing: Ringing[];
  missed: MissedCall[];
  call?: CallView;
  /** The call fills the page; else it is small and the room is in sight. */
  large: boolean;
  screens: Record<string, ScreenView>;
}

export type CallStore = ReturnType<typeof createCallStore>;

export function createCallStore() {
  return createStore<CallState>(() => ({ rooms: {}, ringing: [], missed: [], large: true, screens: {} }));
}

/** Whether there is anything to show: what shows it is loaded with the first. */
export function hasCalls({ rooms, ringing, missed, call, screens }: CallState): boolean {
  const anything = { ...rooms, ...screens, ...ringing, ...missed };
  return call !== undefined || Object.keys(anything).length > 0;
}

export function coversPage({ call, large, screens }: CallState): boolean {
  return large && (call !== undefined || Object.values(screens).some((screen) => screen.phase !== 'offered'));
}
