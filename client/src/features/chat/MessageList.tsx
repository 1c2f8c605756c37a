import { Trans, useLingui } from '@lingui/react/macro';
import { Button, Group, Loader, Text } from '@mantine/core';
import { IconArrowDown, IconMessagePlus } from '@tabler/icons-react';
import { memo, useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { useMesh } from '../../app/mesh';
import { formatDay, formatTime } from '../../lib/format';
import { splitLinks } from '../../lib/links';
import type { RoomChat } from '../../state/chatStore';
import type { RoomView } from '../../state/roomStore';
import { Avatar } from '../../ui/Avatar';
import { EmptyState } from '../../ui/EmptyState';
import classes from './chat.module.css';
import type { Item, Line, Run } from './timeline';

/** This near to the end counts as being there. */
const AT_END_PX = 60;
const LOAD_MORE_PX = 400;

export function MessageList(props: { room: RoomView; chat: RoomChat; items: Item[]; onInvite: () => void }) {
  const { room, chat, items } = props;
  const mesh = useMesh();
  const { t, i18n } = useLingui();
  const box = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const heightBefore = useRef(0);
  const [away, setAway] = useState(false);
  const firstSeq = chat.messages[0]?.seq;

  const scrolled = useCallback(() => {
    const list = box.current;
    if (!list) return;
    atEnd.current = list.scrollHeight - list.scrollTop - list.clientHeight < AT_END_PX;
    setAway(!atEnd.current);
    if (list.scrollTop < LOAD_MORE_PX && chat.ready) void mesh.chatActions.loadOlder(room.roomId);
  }, [mesh, room.roomId, chat.ready]);

  // Older messages appear above: what one was reading stays where it is.
  // biome-ignore lint/correctness/useExhaustiveDependencies: runs exactly when the first message changes
  useLayoutEffect(() => {
    const list = box.current;
    if (!list) return;
    if (!atEnd.current && heightBefore.current > 0)
      list.scrollTop += list.scrollHeight - heightBefore.current;
    heightBefore.current = list.scrollHeight;
  }, [firstSeq]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: follows the end at every change of the list
  useLayoutEffect(() => {
    const list = box.current;
    if (!list) return;
    if (atEnd.current) list.scrollTop = list.scrollHeight;
    heightBefore.current = list.scrollHeight;
  }, [items]);

  // The keyboard of a phone or a new pane makes the list smaller: the end stays in sight.
  useEffect(() => {
    const list = box.current;
    if (!list) return;
    const observer = new ResizeObserver(() => {
      if (atEnd.current) list.scrollTop = list.scrollHeight;
    });
    observer.observe(list);
    return () => observer.disconnect();
  }, []);

  if (chat.ready && items.length === 0)
    return (
      <EmptyState icon={<IconMessagePlus size={26} />} title={<Trans>No messages yet</Trans>}>
        <Text size="sm" c="dimmed" maw={400}>
          <Trans>
            Write the first message, drop a file anywhere on this page, or open the terminal of a machine.
          </Trans>
        </Text>
        {(room.role === 'owner' || room.role === 'moderator') && (
          <Button variant="light" size="sm" onClick={props.onInvite}>
            <Trans>Invite somebody</Trans>
          </Button>
        )}
      </EmptyState>
    );

  return (
    <div className={classes.listWrap}>
      <div
        className={classes.list}
        ref={box}
        onScroll={scrolled}
        role="log"
        aria-label={t`Messages`}
        tabIndex={0}
      >
        <div className={classes.top}>{chat.loading && <Loader size="sm" aria-label={t`Loading`} />}</div>
        {items.map((item) =>
          item.kind === 'day' ? (
            <div key={item.key} className={classes.day}>
              <span>{formatDay(item.at, i18n.locales ?? i18n.locale, Date.now())}</span>
            </div>
          ) : (
            <MessageRun
              key={item.key}
              run={item}
              roomId={room.roomId}
              lines={item.lines.length}
              languages={i18n.locales ?? i18n.locale}
            />
          ),
        )}
      </div>
      {away && (
        <Button
          className={classes.toEnd}
          size="xs"
          radius="xl"
          variant="default"
          leftSection={<IconArrowDown size={14} />}
          onClick={() => box.current?.scrollTo({ top: box.current.scrollHeight, behavior: 'smooth' })}
        >
          <Trans>Newest</Trans>
        </Button>
      )}
    </div>
  );
}

interface RunProps {
  run: Run;
  roomId: string;
  lines: number;
  languages: string | string[];
}

const MessageRun = memo(
  function MessageRun({ run, roomId, languages }: RunProps) {
    return (
      <article className={classes.run} data-mine={run.mine || undefined} aria-label={run.name}>
        <Avatar name={run.name} id={run.userId} size={32} />
        <div className={classes.runBody}>
          <div className={classes.runHead}>
            <span className={classes.author}>{run.name}</span>
            <time className="numbers" dateTime={new Date(run.at).toISOString()}>
              {formatTime(run.at, languages)}
            </time>
          </div>
          {run.lines.map((line) => (
            <MessageLine key={line.key} line={line} roomId={roomId} />
          ))}
        </div>
      </article>
    );
  },
  // Runs are rebuilt with the list, but a run whose lines are the same looks the same.
  (before, after) =>
    before.languages === after.languages &&
    before.lines === after.lines &&
    before.run.name === after.run.name &&
    before.run.lines.every((line, at) => {
      const other = after.run.lines[at];
      return other?.key === line.key && other.text === line.text && other.pending === line.pending;
    }),
);

function MessageLine({ line, roomId }: { line: Line; roomId: string }) {
  const mesh = useMesh();
  const { pending } = line;
  return (
    <div className={classes.line} data-status={pending?.status}>
      <p className={classes.text} dir="auto">
        {splitLinks(line.text).map((piece, at) =>
          'href' in piece ? (
            <a key={at} href={piece.href} target="_blank" rel="noopener noreferrer nofollow">
              {piece.text}
            </a>
          ) : (
            piece.text
          ),
        )}
      </p>
      {pending?.status === 'sending' && (
        <span className={classes.state}>
          <Trans>Sending…</Trans>
        </span>
      )}
      {pending?.status === 'failed' && (
        <Group gap={8} className={classes.state} data-failed role="alert">
          <Trans>Not sent.</Trans>
          <button type="button" onClick={() => mesh.chatActions.retry(roomId, pending.clientId)}>
            <Trans>Try again</Trans>
          </button>
          <button type="button" onClick={() => mesh.chatActions.discard(roomId, pending.clientId)}>
            <Trans>Discard</Trans>
          </button>
        </Group>
      )}
    </div>
  );
}
