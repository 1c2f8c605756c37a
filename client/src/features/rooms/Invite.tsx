import { Plural, Trans, useLingui } from '@lingui/react/macro';
import { Button, Checkbox, Group, Modal, NumberInput, Select, Stack, Text } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { explainError } from '../../app/failures';
import { useMesh } from '../../app/mesh';
import { Problem } from '../../ui/Problem';
import { ShareLink } from '../../ui/ShareLink';
import { useFocusBack } from '../../ui/useFocusBack';

const HOUR = 3600;

export function Invite({ roomId, onClose }: { roomId: string; onClose: () => void }) {
  const { t, i18n } = useLingui();
  const mesh = useMesh();
  useFocusBack();
  const [role, setRole] = useState('member');
  const [life, setLife] = useState(String(168 * HOUR));
  const [uses, setUses] = useState<number>(1);
  const [guest, setGuest] = useState(false);
  const create = useMutation({
    mutationFn: () =>
      mesh.api.createInvite(roomId, { role, expires_in: Number(life), max_uses: uses, guest }),
  });
  return (
    <Modal
      opened
      onClose={onClose}
      title={<Trans>Invite people</Trans>}
      closeButtonProps={{ 'aria-label': t`Close` }}
    >
      {create.data ? (
        <Stack>
          <Text size="sm">
            <Trans>Send this link to whom you invite. It opens this room and nothing else.</Trans>
          </Text>
          <ShareLink value={create.data.url} label={t`QR code of the invitation link`} />
          <Text size="xs" c="dimmed">
            <Plural value={uses} one="It works once." other="It works # times." />{' '}
            <Trans>
              It expires on{' '}
              {i18n.date(create.data.expires_at * 1000, { dateStyle: 'long', timeStyle: 'short' })}.
            </Trans>
          </Text>
          <Group justify="flex-end">
            <Button onClick={onClose}>
              <Trans>Done</Trans>
            </Button>
          </Group>
        </Stack>
      ) : (
        <Stack>
          <Problem>{create.error ? explainError(i18n, create.error) : null}</Problem>
          <Select
            label={t`They come in as`}
            value={role}
            onChange={(value) => setRole(value ?? 'member')}
            data={[
              { value: 'member', label: t`Member: may use everything` },
              { value: 'guest', label: t`Guest: may write, call and send files` },
              { value: 'moderator', label: t`Moderator: may also invite and remove people` },
            ]}
          />
          <Group grow align="flex-start">
            <Select
              label={t`Valid for`}
              value={life}
              onChange={(value) => setLife(value ?? life)}
              data={[
                { value: String(HOUR), label: t`1 hour` },
                { value: String(24 * HOUR), label: t`1 day` },
                { value: String(168 * HOUR), label: t`1 week` },
                { value: String(720 * HOUR), label: t`30 days` },
              ]}
            />
            <NumberInput
              label={t`How often it works`}
              size="md"
              min={1}
              max={1000}
              clampBehavior="strict"
              value={uses}
              onChange={(value) => setUses(Number(value) || 1)}
            />
          </Group>
          <Checkbox
            label={t`Also without an account`}
            description={t`They give a name and come in as guests, into this room only.`}
            checked={guest}
            onChange={(event) => setGuest(event.currentTarget.checked)}
          />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              <Trans>Cancel</Trans>
            </Button>
            <Button loading={create.isPending} onClick={() => create.mutate()}>
              <Trans>Make link</Trans>
            </Button>
          </Group>
        </Stack>
      )}
    </Modal>
  );
}
