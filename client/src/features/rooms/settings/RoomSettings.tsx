// The dialogue of a room: who is in it, who may come in, what each role may do, and how it ends.

import { Trans, useLingui } from '@lingui/react/macro';
import { Modal, Tabs } from '@mantine/core';
import type { RoomView } from '../../../state/roomStore';
import { useFocusBack } from '../../../ui/useFocusBack';
import { Audit } from './audit/Audit';
import { Door } from './Door';
import { General } from './General';
import { Invites } from './Invites';
import { Members } from './Members';
import { Rights } from './Rights';
import { Words } from './words';

export function RoomSettings({ room, onClose }: { room: RoomView; onClose: () => void }) {
  const { t } = useLingui();
  useFocusBack();
  const owner = room.role === 'owner';
  const moderates = owner || room.role === 'moderator';
  return (
    <Modal
      opened
      size="lg"
      onClose={onClose}
      title={<Trans>Settings of {room.name}</Trans>}
      closeButtonProps={{ 'aria-label': t`Close` }}
    >
      <Tabs defaultValue={room.waiting > 0 ? 'door' : 'members'} keepMounted={false}>
        <Tabs.List mb="md">
          <Tabs.Tab value="members">
            <Trans>Members</Trans>
          </Tabs.Tab>
          {moderates && (
            <Tabs.Tab value="door">
              <Trans>Door</Trans>
            </Tabs.Tab>
          )}
          {moderates && (
            <Tabs.Tab value="invites">
              <Trans>Invitations</Trans>
            </Tabs.Tab>
          )}
          {owner && (
            <Tabs.Tab value="rights">
              <Trans>Rights</Trans>
            </Tabs.Tab>
          )}
          {moderates && (
            <Tabs.Tab value="audit">
              <Trans>Record</Trans>
            </Tabs.Tab>
          )}
          <Tabs.Tab value="general">
            <Trans>Room</Trans>
          </Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="members">
          <Members room={room} />
        </Tabs.Panel>
        <Tabs.Panel value="door">
          <Words>
            <Door room={room} />
          </Words>
        </Tabs.Panel>
        <Tabs.Panel value="invites">
          <Invites room={room} />
        </Tabs.Panel>
        <Tabs.Panel value="rights">
          <Words>
            <Rights room={room} />
          </Words>
        </Tabs.Panel>
        <Tabs.Panel value="audit">
          <Words>
            <Audit room={room} />
          </Words>
        </Tabs.Panel>
        <Tabs.Panel value="general">
          <General room={room} />
        </Tabs.Panel>
      </Tabs>
    </Modal>
  );
}
