import { useLingui } from '@lingui/react/macro';
import { type RefObject, useCallback, useEffect, useMemo, useState } from 'react';
import { useStore } from 'zustand';
import { useMesh, useSession } from '../../app/mesh';
import { chatOf } from '../../state/chatStore';
import type { RoomView } from '../../state/roomStore';
import { Composer } from './Composer';
import classes from './chat.module.css';
import { MessageList } from './MessageList';
import { Typing } from './Typing';
import { timeline } from './timeline';

export function ChatPanel({
  room,
  visible,
  composer,
  onInvite,
}: {
  room: RoomView;
  visible: boolean;
  composer: RefObject<HTMLTextAreaElement | null>;
  onInvite: () => void;
}) {
  const { t } = useLingui();
  const mesh = useMesh();
  const { roomId } = room;
  const me = useSession((state) => state.me);
  const chat = useStore(mesh.chat, (state) => chatOf(state, roomId));
  const [editing, setEditing] = useState<number>();
  const items = useMemo(() => timeline(chat.messages, chat.pending, me), [chat.messages, chat.pending, me]);

  /** The last own message before one; whether there is one. */
  function editBefore(seq: number): boolean {
    const own = chat.messages.findLast(
      (message) => message.user_id === me?.user_id && !message.deleted_at && message.seq < seq,
    );
    if (own) setEditing(own.seq);
    return own !== undefined;
  }

  const edit = useCallback(
    (seq: number | undefined) => {
      setEditing(seq);
      if (seq === undefined) composer.current?.focus();
    },
    [composer],
  );

  useEffect(() => {
    const look = () => mesh.chatActions.look(visible && !document.hidden ? roomId : undefined);
    look();
    document.addEventListener('visibilitychange', look);
    return () => {
      document.removeEventListener('visibilitychange', look);
      mesh.chatActions.look(undefined);
    };
  }, [mesh, roomId, visible]);

  return (
    <section className={classes.chat} aria-label={t`Chat`}>
      <MessageList
        room={room}
        chat={chat}
        items={items}
        editing={editing}
        onEdit={edit}
        onInvite={onInvite}
      />
      <Typing room={room} typing={chat.typing} />
      <Composer room={room} field={composer} onEditLast={() => editBefore(Infinity)} />
    </section>
  );
}
