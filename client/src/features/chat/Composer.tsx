import { useLingui } from '@lingui/react/macro';
import { ActionIcon, Textarea, Tooltip } from '@mantine/core';
import { IconSend2 } from '@tabler/icons-react';
import { type KeyboardEvent, type RefObject, useEffect, useState } from 'react';
import { useMesh } from '../../app/mesh';
import { MAX_TEXT_CHARS } from '../../state/chatActions';
import type { RoomView } from '../../state/roomStore';
import classes from './chat.module.css';
import { useCompletion } from './useCompletion';

/** Drafts outlive a change of room. */
const drafts = new Map<string, string>();

export function Composer({
  room,
  field,
  onEditLast,
}: {
  room: RoomView;
  field: RefObject<HTMLTextAreaElement | null>;
  /** Whether there was a message to edit. */
  onEditLast: () => boolean;
}) {
  const { roomId, name: roomName } = room;
  const { t } = useLingui();
  const mesh = useMesh();
  const [text, setText] = useState(() => drafts.get(roomId) ?? '');
  const completion = useCompletion(room.members, field, text, setText);
  const tooLong = text.trim().length > MAX_TEXT_CHARS;
  const empty = text.trim() === '';

  useEffect(() => {
    if (text) drafts.set(roomId, text);
    else drafts.delete(roomId);
  }, [roomId, text]);

  function send() {
    if (!mesh.chatActions.send(roomId, text)) return;
    setText('');
  }

  function keyDown(event: KeyboardEvent) {
    if (completion.keyDown(event)) return;
    if (event.key === 'ArrowUp' && text === '' && onEditLast()) {
      event.preventDefault();
      return;
    }
    // While an input method composes a word, Enter chooses it.
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  }

  return (
    <form
      className={classes.composer}
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      {completion.list}
      <Textarea
        ref={field}
        {...completion.aria}
        className={classes.input}
        aria-label={t`Message`}
        aria-keyshortcuts="/"
        placeholder={t`Write to ${roomName}`}
        autosize
        minRows={1}
        maxRows={8}
        size="md"
        radius="lg"
        value={text}
        error={tooLong ? t`A message has at most ${MAX_TEXT_CHARS} characters.` : undefined}
        onChange={(event) => {
          setText(event.currentTarget.value);
          completion.follow();
          mesh.chatActions.typing(roomId, event.currentTarget.value.trim() !== '');
        }}
        onKeyDown={keyDown}
        onBlur={() => mesh.chatActions.typing(roomId, false)}
        rightSection={
          <Tooltip label={t`Send (Enter)`}>
            <ActionIcon
              type="submit"
              variant={empty ? 'subtle' : 'filled'}
              color={empty ? 'gray' : 'lagoon'}
              size={32}
              radius="md"
              aria-label={t`Send`}
              disabled={empty || tooLong}
            >
              <IconSend2 size={18} />
            </ActionIcon>
          </Tooltip>
        }
        rightSectionWidth={46}
      />
    </form>
  );
}
