import { Trans, useLingui } from '@lingui/react/macro';
import { Button, Loader, Text } from '@mantine/core';
import { IconArrowDown, IconMessagePlus } from '@tabler/icons-react';
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { useMesh } from '../../app/mesh';
import { formatDay } from '../../lib/format';
import type { RoomChat } from '../../state/chatStore';
import type { RoomView } from '../../state/roomStore';
import { EmptyState } from '../../ui/EmptyState';
import classes from './chat.module.css';
import { MessageRun } from './MessageRun';
import type { Item } from './timeline';

/** This near to the end counts as being there. */
const AT_END_PX = 60;
const LOAD_MORE_PX = 400;

export function MessageList(props: {
  room: RoomView;
  chat: RoomChat;
  items: Item[];
  /** The message that is being edited. */
  editing: number | undefined;
  onEdit: (seq: number | undefined) => void;
  onInvite: () => void;
}) {
  const { room, chat, items, editing, onEdit } = props;
  const mesh = useMesh();
  const { t, i18n } = useLingui();
  const box = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const heightBefore = useRef(0);
  const topSeen = useRef(0);
  const [away, setAway] = useState(false);
  const firstSeq = chat.messages[0]?.seq;

  const scrolled = useCallback(() => {
    const list = box.current;
    if (!list) return;
    topSeen.current = list.scrollTop;
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
    // Somebody has just scrolled up, and the event is still to come.
    if (list.scrollTop < topSeen.current - AT_END_PX) atEnd.current = false;
    if (atEnd.current) {
      list.scrollTop = list.scrollHeight;
      mesh.chatActions.follow(room.roomId);
    }
    topSeen.current = list.scrollTop;
    heightBefore.current = list.scrollHeight;
  }, [items]);

  // The keyboard of a phone or a new pane makes the list smaller, and what is drawn only in sight makes its content
  // larger than it was thought: the end stays in sight.
  const empty = chat.ready && items.length === 0;
  useEffect(() => {
    const list = box.current;
    if (!list || empty) return;
    const observer = new ResizeObserver(() => {
      if (atEnd.current) list.scrollTop = list.scrollHeight;
      topSeen.current = list.scrollTop;
    });
    observer.observe(list);
    if (list.firstElementChild) observer.observe(list.firstElementChild);
    return () => observer.disconnect();
  }, [empty]);

  if (empty)
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
        <div className={classes.content}>
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
                room={room}
                editing={item.lines.some((line) => line.stored?.seq === editing) ? editing : undefined}
                onEdit={onEdit}
                lines={item.lines.length}
                languages={i18n.locales ?? i18n.locale}
              />
            ),
          )}
        </div>
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
