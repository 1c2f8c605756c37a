import { Trans, useLingui } from '@lingui/react/macro';
import { Button, Group, Modal, Stack, Text } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { explainError } from '../../app/failures';
import { useMesh } from '../../app/mesh';
import type { ChatMessage } from '../../protocol/rest';
import { Problem } from '../../ui/Problem';

export function DeleteMessage({
  message,
  onClose,
  onDone = onClose,
}: {
  message: ChatMessage;
  onClose: () => void;
  onDone?: () => void;
}) {
  const { t, i18n } = useLingui();
  const mesh = useMesh();
  const remove = useMutation({
    mutationFn: () => mesh.chatActions.remove(message.room_id, message.seq),
    onSuccess: onDone,
  });
  return (
    <Modal
      opened
      onClose={onClose}
      title={<Trans>Delete this message?</Trans>}
      closeButtonProps={{ 'aria-label': t`Close` }}
    >
      <Stack>
        <Problem>{remove.error ? explainError(i18n, remove.error) : null}</Problem>
        <Text size="sm" lineClamp={4}>
          {message.text}
        </Text>
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            <Trans>Cancel</Trans>
          </Button>
          <Button color="red" data-autofocus loading={remove.isPending} onClick={() => remove.mutate()}>
            <Trans>Delete</Trans>
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
