import { Trans, useLingui } from '@lingui/react/macro';
import { Button, Group, Modal, Stack, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { explainError } from '../../app/failures';
import { useMesh } from '../../app/mesh';
import { Problem } from '../../ui/Problem';
import { useFocusBack } from '../../ui/useFocusBack';
import { ROOMS_KEY } from './useRooms';

export function NewRoom({ onClose }: { onClose: () => void }) {
  const { t, i18n } = useLingui();
  const mesh = useMesh();
  const navigate = useNavigate();
  const queries = useQueryClient();
  useFocusBack();
  const [name, setName] = useState('');
  const create = useMutation({
    mutationFn: (wanted: string) => mesh.api.createRoom(wanted),
    onSuccess: async ({ room_id }) => {
      onClose();
      await queries.invalidateQueries({ queryKey: ROOMS_KEY });
      await navigate({ to: '/rooms/$roomId', params: { roomId: room_id } });
    },
  });
  function submit(event: FormEvent) {
    event.preventDefault();
    if (name.trim()) create.mutate(name.trim());
  }
  return (
    <Modal
      opened
      onClose={onClose}
      title={<Trans>New room</Trans>}
      closeButtonProps={{ 'aria-label': t`Close` }}
    >
      <form onSubmit={submit}>
        <Stack>
          <Problem>{create.error ? explainError(i18n, create.error) : null}</Problem>
          <TextInput
            label={t`Name of the room`}
            placeholder={t`Workshop`}
            required
            withAsterisk={false}
            maxLength={80}
            data-autofocus
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              <Trans>Cancel</Trans>
            </Button>
            <Button type="submit" loading={create.isPending}>
              <Trans>Create room</Trans>
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
