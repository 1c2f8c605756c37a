// An own message in a field: Enter saves, Escape leaves it as it was.

import { Trans, useLingui } from '@lingui/react/macro';
import { Button, Group, Textarea } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { type KeyboardEvent, Suspense, useState } from 'react';
import { explainError } from '../../app/failures';
import { useMesh } from '../../app/mesh';
import type { ChatMessage } from '../../protocol/rest';
import { MAX_TEXT_CHARS } from '../../state/chatActions';
import { lazyPart } from '../../ui/lazyPart';
import { Problem } from '../../ui/Problem';

const DeleteMessage = lazyPart(() => import('./DeleteMessage').then((module) => module.DeleteMessage));

export function EditMessage({ message, onDone }: { message: ChatMessage; onDone: () => void }) {
  const { t, i18n } = useLingui();
  const mesh = useMesh();
  const [text, setText] = useState(message.text);
  const [deleting, setDeleting] = useState(false);
  const save = useMutation({
    mutationFn: () => mesh.chatActions.edit(message.room_id, message.seq, text),
    onSuccess: onDone,
  });

  function submit() {
    if (text.trim() === '') setDeleting(true);
    else if (text.trim() === message.text) onDone();
    else save.mutate();
  }

  function keyDown(event: KeyboardEvent) {
    if (event.nativeEvent.isComposing) return;
    if (event.key === 'Escape') onDone();
    else if (event.key === 'Enter' && !event.shiftKey) submit();
    else return;
    event.preventDefault();
  }

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <Problem>{save.error ? explainError(i18n, save.error) : null}</Problem>
      <Textarea
        aria-label={t`Edit message`}
        autosize
        minRows={1}
        maxRows={12}
        maxLength={MAX_TEXT_CHARS}
        autoFocus
        onFocus={({ currentTarget: field }) => field.setSelectionRange(text.length, text.length)}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
        onKeyDown={keyDown}
      />
      <Group gap="xs" mt={6}>
        <Button type="submit" size="xs" loading={save.isPending}>
          <Trans>Save</Trans>
        </Button>
        <Button size="xs" variant="default" onClick={onDone}>
          <Trans>Cancel</Trans>
        </Button>
        <Button size="xs" variant="subtle" color="red" onClick={() => setDeleting(true)}>
          <Trans>Delete</Trans>
        </Button>
      </Group>
      {deleting && (
        <Suspense>
          <DeleteMessage message={message} onDone={onDone} onClose={() => setDeleting(false)} />
        </Suspense>
      )}
    </form>
  );
}
