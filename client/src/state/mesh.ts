// Puts the parts together: one connection, the stores, and the actions that change them. No React here; the page gets
// the result through a context, tests build one with their own socket.

import { createApi } from '../lib/api';
import { createVerifier } from '../lib/capability';
import { readMarks } from '../lib/readMarks';
import { readUnfinished } from '../lib/transfer/unfinished';
import { Socket } from '../lib/ws';
import type { Me } from '../protocol/rest';
import { createCallLoader } from './callLoader';
import { createCallStore } from './callStore';
import { createChatActions } from './chatActions';
import { createChatStore } from './chatStore';
import { createCommandStore } from './commandStore';
import { createRoomActions } from './roomActions';
import { createRoomStore } from './roomStore';
import { createSessionStore } from './sessionStore';
import { SessionRouter } from './sessions';
import { createTerminalLoader } from './terminalLoader';
import { createTerminalStore } from './terminalStore';
import { createTransferLoader } from './transferLoader';
import { createTransferStore } from './transferStore';

export function createMesh(events: { refusedInput: (sessionId: string) => void }) {
  const session = createSessionStore();
  const rooms = createRoomStore();
  const chat = createChatStore();
  const terminals = createTerminalStore();
  const transfers = createTransferStore();
  const calls = createCallStore();
  const commands = createCommandStore();

  // What was on its way when the session ended is refused too: that it ended has been told by then.
  const api = createApi(undefined, () => {
    const { phase } = session.getState();
    if (phase !== 'out') signedOut(phase === 'in');
  });
  const socket = new Socket({
    ticket: () => api.ticket().then((answer) => answer.ticket),
    open: (path) =>
      new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}${path}`),
  });
  const router = new SessionRouter();
  const verify = createVerifier(api.keys);

  const account = () => session.getState().me?.user_id;
  const chatActions = createChatActions(api, socket, chat, account, readMarks);
  const roomActions = createRoomActions(socket, rooms, (roomId) => {
    void chatActions.refresh(roomId);
    chatActions.flush(roomId);
  });
  const terminalLoader = createTerminalLoader({ api, socket, router, store: terminals, verify, ...events });
  const transferLoader = createTransferLoader({
    api,
    socket,
    router,
    store: transfers,
    rooms,
    verify,
    account,
  });

  const callLoader = createCallLoader({
    api,
    socket,
    rooms,
    store: calls,
    verify,
    me: () => session.getState().me,
  });

  socket.onEvent((event) => {
    if (router.deliver(event)) return;
    chatActions.handle(event);
    // Before the room forgets a peer, its offers are withdrawn.
    transferLoader.handle(event);
    roomActions.handle(event);
    callLoader.handle(event);
    // The same peer came back: rooms are as they were, only unacknowledged messages go out again.
    if (event.type === 'system.welcome')
      for (const roomId of Object.keys(rooms.getState().rooms)) chatActions.flush(roomId);
  });
  socket.onState((connection) => {
    session.setState({ connection });
    if (connection.status === 'signed-out') signedOut(true);
  });

  function signedIn(me: Me): void {
    session.setState({ phase: 'in', me, ended: false });
    socket.start();
    callLoader.resume();
    // What this page was sending before it was loaded anew has a card again.
    if (readUnfinished().length > 0) transferLoader.act(() => {});
  }

  function signedOut(ended: boolean): void {
    callLoader.leave();
    transferLoader.leave();
    socket.stop();
    terminalLoader.forgetAll();
    roomActions.clear();
    chat.setState({ rooms: {} });
    // Somebody else may sign in here. Who was signed out against their will is the same person.
    if (!ended && session.getState().phase === 'in') readMarks.clear();
    session.setState({ phase: 'out', me: undefined, ended });
  }

  return {
    api,
    socket,
    router,
    verify,
    session,
    rooms,
    chat,
    terminals,
    transfers,
    calls,
    commands,
    chatActions,
    roomActions,
    terminalLoader,
    withTransfers: transferLoader.act,
    withCalls: callLoader.act,
    signedIn,
    signedOut,
  };
}

export type Mesh = ReturnType<typeof createMesh>;
