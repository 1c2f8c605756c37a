// Events, rooms, quiet hours.

import { Trans, useLingui } from '@lingui/react/macro';
import { Button, Group, NativeSelect, Stack, Switch, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { ChangeNotifications } from '../../protocol/generated/ChangeNotifications';
import type { NotificationEvent } from '../../protocol/generated/NotificationEvent';
import type { RoomSummary } from '../../protocol/rest';
import { Row } from '../settings/parts';
import type { Preferences, RoomNotices } from './api';

export type Change = (change: ChangeNotifications) => Promise<boolean>;

interface Props {
  preferences: Preferences;
  rooms: RoomSummary[];
  change: Change;
}

export function Choices({ preferences, rooms, change }: Props) {
  const { t } = useLingui();
  const events: [NotificationEvent, string][] = [
    ['chat.message.created', t`Messages`],
    ['call.missed', t`Missed calls`],
    ['access.requested', t`Requests for access, and people who wait before a room`],
    ['terminal.share.started', t`A terminal is shared`],
    ['share.completed', t`A transfer is complete`],
  ];
  const levels: Record<RoomNotices, string> = {
    all: t`Everything`,
    mentions: t`Messages that name me`,
    none: t`Nothing`,
  };
  return (
    <>
      <Stack gap="sm">
        <Switch
          label={t`Mute everything`}
          checked={preferences.muted}
          onChange={(event) => change({ muted: event.currentTarget.checked })}
        />
        {events.map(([event, label]) => (
          <Switch
            key={event}
            label={label}
            disabled={preferences.muted}
            checked={preferences.events[event] ?? true}
            onChange={({ currentTarget }) => change({ events: { [event]: currentTarget.checked } })}
          />
        ))}
      </Stack>
      {rooms.map((room) => (
        <Row key={room.room_id} label={room.name}>
          <NativeSelect
            aria-label={t`Notifications of ${room.name}`}
            value={preferences.rooms[room.room_id] ?? 'all'}
            data={Object.entries(levels).map(([value, label]) => ({ value, label }))}
            onChange={({ currentTarget }) =>
              change({ rooms: { [room.room_id]: currentTarget.value as RoomNotices } })
            }
          />
        </Row>
      ))}
      <QuietHours preferences={preferences} change={change} />
    </>
  );
}

function QuietHours({ preferences, change }: Omit<Props, 'rooms'>) {
  const { t } = useLingui();
  const quiet = preferences.quiet_hours;
  const [from, setFrom] = useState(quiet?.from ?? '22:00');
  const [to, setTo] = useState(quiet?.to ?? '07:00');
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const unchanged = quiet?.from === from && quiet.to === to && quiet.zone === zone;
  return (
    <Stack gap="xs">
      <Group align="end" gap="sm">
        <TextInput
          type="time"
          label={t`Quiet from`}
          value={from}
          onChange={(event) => setFrom(event.currentTarget.value)}
        />
        <TextInput
          type="time"
          label={t`to`}
          value={to}
          onChange={(event) => setTo(event.currentTarget.value)}
        />
        <Button
          variant="default"
          disabled={unchanged || from === to}
          onClick={() => change({ quiet_hours: { from, to, zone } })}
        >
          <Trans>Set quiet hours</Trans>
        </Button>
        {quiet && (
          <Button variant="subtle" color="red" onClick={() => change({ quiet_hours: null })}>
            <Trans>No quiet hours</Trans>
          </Button>
        )}
      </Group>
      <Text size="xs" c="dimmed">
        {quiet ? (
          <Trans>
            Quiet from {quiet.from} to {quiet.to} ({quiet.zone}). Missed calls are told at the end, the rest
            not at all.
          </Trans>
        ) : (
          <Trans>There are no quiet hours.</Trans>
        )}
      </Text>
    </Stack>
  );
}
