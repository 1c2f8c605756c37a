// Somebody calls: a card with a sound, and a notice of the system where the page is out of sight.

import { Trans, useLingui } from '@lingui/react/macro';
import { Button, Text } from '@mantine/core';
import { IconPhone, IconPhoneOff, IconVideo } from '@tabler/icons-react';
import { useEffect } from 'react';
import { useMesh } from '../../app/mesh';
import { notice } from '../../lib/call/notice';
import { ring } from '../../lib/call/tone';
import type { Ringing } from '../../state/callStore';
import { Avatar } from '../../ui/Avatar';
import classes from './call.module.css';
import { useAct, useCalls } from './useCalls';

export function RingList() {
  const ringing = useCalls((state) => state.ringing);
  const calling = useCalls(({ call }) => call?.phase === 'in' && call.calling);
  const incoming = ringing.length > 0;
  useEffect(() => (incoming ? ring('incoming') : undefined), [incoming]);
  useEffect(() => (calling ? ring('outgoing') : undefined), [calling]);
  if (!incoming) return null;
  return (
    <div className={classes.rings}>
      {ringing.map((one) => (
        <RingCard key={one.sessionId} one={one} />
      ))}
    </div>
  );
}

function RingCard({ one }: { one: Ringing }) {
  const { t } = useLingui();
  const mesh = useMesh();
  const act = useAct();
  const room = mesh.rooms.getState().rooms[one.roomId]?.name ?? '';
  const { sessionId, name } = one;
  const title = t`${name} is calling`;
  const where = one.alone ? t`Only you are called.` : t`Everybody in ${room} is called.`;
  useEffect(() => notice(title, where, sessionId), [title, where, sessionId]);
  return (
    <section className={classes.ring} aria-label={title}>
      <Avatar name={name} id={one.userId} size={44} />
      <div className={classes.ringWords} role="alert">
        <Text fw={620}>{title}</Text>
        <Text size="sm" c="dimmed">
          {room} · {where}
        </Text>
      </div>
      <div className={classes.ringActs}>
        <Button
          color="red"
          variant="light"
          leftSection={<IconPhoneOff size={16} />}
          onClick={() => act((calls) => calls.call.decline(sessionId))}
        >
          <Trans>Decline</Trans>
        </Button>
        <Button
          variant="default"
          leftSection={<IconPhone size={16} />}
          onClick={() => act((calls) => void calls.call.answer(sessionId, { video: false }))}
        >
          <Trans>Without camera</Trans>
        </Button>
        <Button
          leftSection={<IconVideo size={16} />}
          onClick={() => act((calls) => void calls.call.answer(sessionId, { video: true }))}
        >
          <Trans>Accept</Trans>
        </Button>
      </div>
    </section>
  );
}
