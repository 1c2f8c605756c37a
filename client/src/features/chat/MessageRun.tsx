// What one person says in one breath, and what can be done with it.

import { Trans, useLingui } from '@lingui/react/macro';
import { Group } from '@mantine/core';
import { IconPencil, IconTrash } from '@tabler/icons-react';
import { type CSSProperties, memo, Suspense, useState } from 'react';
import { useMesh, useSession } from '../../app/mesh';
import { formatTime } from '../../lib/format';
import { splitLinks } from '../../lib/links';
import type { ChatMessage } from '../../protocol/rest';
import type { RoomView } from '../../state/roomStore';
import { Avatar } from '../../ui/Avatar';
import { lazyPart } from '../../ui/lazyPart';
import classes from './chat.module.css';
import { splitMentions } from './mentions';
import type { Line, Run } from './timeline';

const EditMessage = lazyPart(() => import('./EditMessage').then((module) => module.EditMessage));
const DeleteMessage = lazyPart(() => import('./DeleteMessage').then((module) => module.DeleteMessage));

interface RunProps {
  run: Run;
  room: RoomView;
  editing: number | undefined;
  onEdit: (seq: number | undefined) => void;
  lines: number;
  languages: string | string[];
}

export const MessageRun = memo(
  function MessageRun({ run, room, editing, onEdit, languages }: RunProps) {
    return (
      <article
        className={classes.run}
        data-mine={run.mine || undefined}
        aria-label={run.name}
        style={{ '--lines': run.lines.length } as CSSProperties}
      >
        <Avatar name={run.name} id={run.userId} size={32} />
        <div className={classes.runBody}>
          <div className={classes.runHead}>
            <span className={classes.author}>{run.name}</span>
            <time className="numbers" dateTime={new Date(run.at).toISOString()}>
              {formatTime(run.at, languages)}
            </time>
          </div>
          {run.lines.map((line) =>
            line.stored && line.stored.seq === editing ? (
              <Suspense key={line.key}>
                <EditMessage message={line.stored} onDone={() => onEdit(undefined)} />
              </Suspense>
            ) : (
              <MessageLine key={line.key} line={line} mine={run.mine} room={room} onEdit={onEdit} />
            ),
          )}
        </div>
      </article>
    );
  },
  // Runs are rebuilt with the list, but a run whose lines are the same looks the same.
  (before, after) =>
    before.languages === after.languages &&
    before.lines === after.lines &&
    before.editing === after.editing &&
    before.room.members === after.room.members &&
    before.room.role === after.room.role &&
    before.run.name === after.run.name &&
    before.run.lines.every((line, at) => {
      const other = after.run.lines[at];
      return other?.key === line.key && other.stored === line.stored && other.pending === line.pending;
    }),
);

interface LineProps {
  line: Line;
  mine: boolean;
  room: RoomView;
  onEdit: RunProps['onEdit'];
}

function MessageLine({ line, mine, room, onEdit }: LineProps) {
  const mesh = useMesh();
  const { pending, stored } = line;
  if (stored?.deleted_at)
    return (
      <p className={classes.deleted}>
        <Trans>Message deleted</Trans>
      </p>
    );
  return (
    <div className={classes.line} data-status={pending?.status}>
      <p className={classes.text} dir="auto">
        <MessageText text={line.text} mentions={stored?.mentions} room={room} />
        {stored?.edited_at && (
          <small className={classes.edited}>
            {' '}
            <Trans>(edited)</Trans>
          </small>
        )}
      </p>
      {stored && <LineActions message={stored} mine={mine} room={room} onEdit={onEdit} />}
      {pending?.status === 'sending' && (
        <span className={classes.state}>
          <Trans>Sending…</Trans>
        </span>
      )}
      {pending?.status === 'failed' && (
        <Group gap={8} className={classes.state} data-failed role="alert">
          <Trans>Not sent.</Trans>
          <button type="button" onClick={() => mesh.chatActions.retry(room.roomId, pending.clientId)}>
            <Trans>Try again</Trans>
          </button>
          <button type="button" onClick={() => mesh.chatActions.discard(room.roomId, pending.clientId)}>
            <Trans>Discard</Trans>
          </button>
        </Group>
      )}
    </div>
  );
}

function MessageText({
  text,
  mentions = [],
  room,
}: {
  text: string;
  mentions: string[] | undefined;
  room: RoomView;
}) {
  const me = useSession((state) => state.me);
  const named = room.members.filter((member) => mentions.includes(member.user_id));
  const names = named.map((member) => member.name);
  const myName = named.find((member) => member.user_id === me?.user_id)?.name.toLowerCase();
  return splitLinks(text).map((piece, at) =>
    'href' in piece ? (
      <a key={at} href={piece.href} target="_blank" rel="noopener noreferrer nofollow">
        {piece.text}
      </a>
    ) : (
      splitMentions(piece.text, names).map((part, index) =>
        part.mention ? (
          <mark key={`${at}-${index}`} data-me={part.text.slice(1).toLowerCase() === myName || undefined}>
            {part.text}
          </mark>
        ) : (
          part.text
        ),
      )
    ),
  );
}

/**
 * In sight under the pointer. With the keyboard: ↑ in the empty message field edits the last one. Each line has them, hence
 * plain buttons.
 */
function LineActions({
  message,
  mine,
  room,
  onEdit,
}: { message: ChatMessage } & Pick<LineProps, 'mine' | 'room' | 'onEdit'>) {
  const { t } = useLingui();
  const [deleting, setDeleting] = useState(false);
  const moderates = room.role === 'owner' || room.role === 'moderator';
  if (!mine && !moderates) return null;
  return (
    <div className={classes.actions}>
      {mine && (
        <button type="button" tabIndex={-1} aria-label={t`Edit`} onClick={() => onEdit(message.seq)}>
          <IconPencil size={15} />
        </button>
      )}
      <button type="button" tabIndex={-1} aria-label={t`Delete`} onClick={() => setDeleting(true)}>
        <IconTrash size={15} />
      </button>
      {deleting && (
        <Suspense>
          <DeleteMessage message={message} onClose={() => setDeleting(false)} />
        </Suspense>
      )}
    </div>
  );
}
