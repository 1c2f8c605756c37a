// Turns stored and pending messages into what the list shows: days, and runs of one author. No React here.

import { dayKey } from '../../lib/format';
import type { ChatMessage } from '../../protocol/rest';
import type { PendingMessage } from '../../state/chatStore';

/** Messages of one author within this time stand together. */
const RUN_MS = 5 * 60_000;
/**
 * A monologue is cut, so that only what is near is drawn and it tells its time again: after so many messages at least, and there
 * at a multiple of them, wherever the list begins.
 */
const LONG_RUN = 16;

export interface Line {
  key: string;
  text: string;
  at: number;
  pending?: PendingMessage;
  /** Absent while it is on its way. */
  stored?: ChatMessage;
}

export interface Run {
  kind: 'run';
  key: string;
  userId: string;
  name: string;
  mine: boolean;
  at: number;
  lines: Line[];
}

export type Item = Run | { kind: 'day'; key: string; at: number };

export function timeline(
  messages: readonly ChatMessage[],
  pending: readonly PendingMessage[],
  me: { user_id: string; name: string } | undefined,
): Item[] {
  const items: Item[] = [];
  let run: Run | undefined;
  let day = '';
  const add = (userId: string, name: string, mine: boolean, line: Line) => {
    const today = dayKey(line.at);
    if (today !== day) {
      day = today;
      run = undefined;
      items.push({ kind: 'day', key: `day-${today}`, at: line.at });
    }
    const cut = run && run.lines.length >= LONG_RUN && (line.stored?.seq ?? 1) % LONG_RUN === 0;
    if (run && !cut && run.userId === userId && line.at - (run.lines.at(-1)?.at ?? 0) < RUN_MS) {
      run.lines.push(line);
      return;
    }
    run = { kind: 'run', key: `run-${line.key}`, userId, name, mine, at: line.at, lines: [line] };
    items.push(run);
  };
  for (const message of messages)
    add(message.user_id, message.name, message.user_id === me?.user_id, {
      key: String(message.seq),
      text: message.text,
      at: message.created_at,
      stored: message,
    });
  for (const one of pending)
    add(me?.user_id ?? '', me?.name ?? '', true, {
      key: one.clientId,
      text: one.text,
      // Never before what is stored, even when this device's clock is behind.
      at: Math.max(one.createdAt, messages.at(-1)?.created_at ?? 0),
      pending: one,
    });
  return items;
}
