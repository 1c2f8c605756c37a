import { Trans, useLingui } from '@lingui/react/macro';
import { Button, Group, Select, Stack, Text, TextInput } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { explainError } from '../../../app/failures';
import { useMesh } from '../../../app/mesh';
import type { RoomView } from '../../../state/roomStore';
import { Problem } from '../../../ui/Problem';

/** The name, how long the chat is kept, and going away. */
export function General({ room }: { room: RoomView }) {
  const { t, i18n } = useLingui();
  const { api } = useMesh();
  const { roomId, settings } = room;
  const [name, setName] = useState(room.name);
  // Asked once more before what cannot be undone.
  const [ending, setEnding] = useState<'leave' | 'delete'>();
  const act = useMutation({ mutationFn: (what: () => Promise<object>) => what() });
  const days = settings.retention_days;
  const keeps = [null, 1, 7, 30, 365, days].filter((value, at, all) => all.indexOf(value) === at);

  function rename(event: FormEvent) {
    event.preventDefault();
    act.mutate(() => api.changeRoom(roomId, { name: name.trim() }));
  }

  return (
    <Stack>
      <Problem>{act.error ? explainError(i18n, act.error) : null}</Problem>
      {room.role === 'owner' && (
        <>
          <form onSubmit={rename}>
            <Group align="flex-end">
              <TextInput
                flex={1}
                label={t`Name of the room`}
                maxLength={64}
                value={name}
                onChange={(event) => setName(event.currentTarget.value)}
              />
              <Button type="submit" disabled={!name.trim() || name.trim() === room.name}>
                <Trans>Rename</Trans>
              </Button>
            </Group>
          </form>
          <Select
            label={t`Messages are kept`}
            allowDeselect={false}
            value={String(days)}
            data={keeps.map((value) => ({
              value: String(value),
              label:
                value === null
                  ? t`For ever`
                  : i18n.number(value, { style: 'unit', unit: 'day', unitDisplay: 'long' }),
            }))}
            onChange={(value) =>
              act.mutate(() =>
                api.changeRoom(roomId, { retention_days: value === 'null' ? null : Number(value) }),
              )
            }
          />
        </>
      )}
      {ending ? (
        <Group role="alert">
          <Text size="sm" flex="1 1 200px">
            {ending === 'leave' ? (
              <Trans>Leave this room? You come back by an invitation only.</Trans>
            ) : (
              <Trans>Delete this room with all its messages, for everybody?</Trans>
            )}
          </Text>
          <Button variant="default" onClick={() => setEnding(undefined)}>
            <Trans>Cancel</Trans>
          </Button>
          <Button
            color="red"
            loading={act.isPending}
            onClick={() =>
              act.mutate(() => (ending === 'leave' ? api.leaveRoom(roomId) : api.deleteRoom(roomId)))
            }
          >
            {ending === 'leave' ? <Trans>Leave</Trans> : <Trans>Delete</Trans>}
          </Button>
        </Group>
      ) : (
        <Group>
          <Button variant="default" onClick={() => setEnding('leave')}>
            <Trans>Leave the room</Trans>
          </Button>
          {room.role === 'owner' && (
            <Button color="red" variant="light" onClick={() => setEnding('delete')}>
              <Trans>Delete the room</Trans>
            </Button>
          )}
        </Group>
      )}
    </Stack>
  );
}
