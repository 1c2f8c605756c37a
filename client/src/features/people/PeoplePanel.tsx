// Who is there: people with their presence, and machines with what they offer.

import { Trans, useLingui } from '@lingui/react/macro';
import { ActionIcon, Badge, Button, Text, Tooltip } from '@mantine/core';
import { IconDeviceDesktop, IconFileUpload, IconTerminal2 } from '@tabler/icons-react';
import { Suspense } from 'react';
import { useSession } from '../../app/mesh';
import type { Peer, Share } from '../../protocol/signal';
import { type Availability, type Machine, machinesOf, type Person } from '../../state/presence';
import type { RoomView } from '../../state/roomStore';
import { Avatar } from '../../ui/Avatar';
import { lazyPart } from '../../ui/lazyPart';
import ui from '../../ui/ui.module.css';
import { NoMachine } from './NoMachine';
import classes from './people.module.css';

const CallPerson = lazyPart(() => import('../call/Entries').then((module) => module.CallPerson));

interface Props {
  room: RoomView;
  people: Person[];
  /** The machine's terminal; where it shares several, the one that is meant. */
  onTerminal: (peer: Peer, share?: Share) => void;
  onSend: (peer: Peer) => void;
}

export function PeoplePanel({ room, people, onTerminal, onSend }: Props) {
  const { t } = useLingui();
  const me = useSession((state) => state.me);
  const machines = machinesOf(room, me?.user_id);
  return (
    <div className={classes.panel}>
      <section aria-label={t`Machines`}>
        <h2 className={ui.sectionTitle}>
          <Trans>Machines</Trans>
        </h2>
        {machines.length === 0 ? (
          <NoMachine />
        ) : (
          <ul className={classes.list}>
            {machines.map((machine) => (
              <MachineItem
                key={machine.key}
                machine={machine}
                room={room}
                onTerminal={onTerminal}
                onSend={onSend}
              />
            ))}
          </ul>
        )}
      </section>
      <section aria-label={t`People`}>
        <h2 className={ui.sectionTitle}>
          <Trans>People</Trans>
        </h2>
        <ul className={classes.list}>
          {people.map((person) => (
            <PersonItem key={person.userId} room={room} person={person} onSend={onSend} />
          ))}
        </ul>
      </section>
    </div>
  );
}

function MachineItem({
  machine,
  room,
  onTerminal,
  onSend,
}: { machine: Machine; room: RoomView } & Pick<Props, 'onTerminal' | 'onSend'>) {
  const { t } = useLingui();
  const { name, mine, terminals, terminal, files } = machine;
  const { role, settings } = room;
  const only = terminals.length === 1 ? terminals[0] : undefined;
  const allowed = role === 'owner' || settings.policy[role].includes('terminal:view');
  const terminalReason = !allowed
    ? t`Your role may not open terminals in this room.`
    : terminal
      ? undefined
      : t`This machine answers no requests for its terminal. On it, run: mesh share terminal`;
  return (
    <li className={classes.machine} aria-label={name}>
      <div className={classes.row}>
        <span className={classes.machineIcon} aria-hidden="true">
          <IconDeviceDesktop size={18} />
        </span>
        <div className={classes.names}>
          <Text size="sm" fw={580} truncate>
            {name}
          </Text>
          <Text size="xs" c="dimmed" truncate>
            {mine ? <Trans>Yours</Trans> : machine.ownerName} ·{' '}
            <AvailabilityText availability={machine.availability} />
          </Text>
        </div>
        {files && (
          <Tooltip label={t`Send a file to ${name}`}>
            <ActionIcon aria-label={t`Send a file to ${name}`} onClick={() => onSend(files)}>
              <IconFileUpload size={18} />
            </ActionIcon>
          </Tooltip>
        )}
      </div>
      {only && (
        <Text size="xs" c="dimmed" className={classes.share} truncate>
          {only.label ? <Trans>Shares its terminal: {only.label}</Trans> : <Trans>Shares its terminal</Trans>}
        </Text>
      )}
      {(terminals.length > 1 ? terminals : [undefined]).map((share) => (
        <Tooltip
          key={share?.share_id ?? ''}
          label={terminalReason}
          disabled={!terminalReason}
          multiline
          maw={260}
        >
          <Button
            fullWidth
            size="xs"
            h={32}
            variant="light"
            leftSection={<IconTerminal2 size={16} />}
            data-disabled={terminalReason ? true : undefined}
            aria-disabled={terminalReason ? true : undefined}
            aria-description={terminalReason ?? t`Asks ${name} for its terminal`}
            onClick={(event) => {
              event.preventDefault();
              const peer = share ? room.peers[share.peer_id] : terminal;
              if (peer && !terminalReason) onTerminal(peer, share);
            }}
          >
            {share ? <Trans>Terminal: {share.label}</Trans> : <Trans>Terminal</Trans>}
          </Button>
        </Tooltip>
      ))}
    </li>
  );
}

function PersonItem({ room, person, onSend }: { person: Person } & Pick<Props, 'room' | 'onSend'>) {
  const { t } = useLingui();
  const page = person.pages.find((peer) => peer.offers.includes('file'));
  const device = person.pages.map((peer) => peer.device_name).find((one) => one !== '');
  return (
    <li className={classes.row} aria-label={person.name} data-availability={person.availability}>
      <Avatar name={person.name} id={person.userId} status={person.availability} />
      <div className={classes.names}>
        <div className={classes.name}>
          <Text size="sm" fw={560} truncate>
            {person.name}{' '}
            {person.isMe && (
              <Text span size="xs" c="dimmed">
                <Trans>(you)</Trans>
              </Text>
            )}
          </Text>
          {person.role === 'owner' && (
            <Badge size="xs" variant="default" tt="none" fw={560} className={classes.role}>
              <Trans>Owner</Trans>
            </Badge>
          )}
          {person.role === 'guest' && (
            <Badge size="xs" variant="default" tt="none" fw={560} className={classes.role}>
              <Trans>Guest</Trans>
            </Badge>
          )}
        </div>
        <Text size="xs" c="dimmed" truncate>
          <AvailabilityText availability={person.availability} />
          {device ? ` · ${device}` : ''}
        </Text>
      </div>
      {!person.isMe && person.pages.some((peer) => peer.offers.includes('call')) && (
        <Suspense>
          <CallPerson room={room} person={person} />
        </Suspense>
      )}
      {page && (
        <Tooltip label={t`Send a file to ${person.name}`}>
          <ActionIcon aria-label={t`Send a file to ${person.name}`} onClick={() => onSend(page)}>
            <IconFileUpload size={18} />
          </ActionIcon>
        </Tooltip>
      )}
    </li>
  );
}

function AvailabilityText({ availability }: { availability: Availability }) {
  switch (availability) {
    case 'online':
      return <Trans>Online</Trans>;
    case 'away':
      return <Trans>Away</Trans>;
    case 'busy':
      return <Trans>Busy</Trans>;
    case 'offline':
      return <Trans>Offline</Trans>;
  }
}
