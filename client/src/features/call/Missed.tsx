// Calls that this person missed, with a way to call back.

import { Trans, useLingui } from '@lingui/react/macro';
import { Button, CloseButton, Text } from '@mantine/core';
import { IconPhoneX } from '@tabler/icons-react';
import { useEffect, useState } from 'react';
import { useMesh, useSession } from '../../app/mesh';
import { notice } from '../../lib/call/notice';
import type { MissedCall } from '../../state/callStore';
import classes from './call.module.css';
import { useAct, useCalls } from './useCalls';

export function Missed() {
  const missed = useCalls((state) => state.missed);
  if (missed.length === 0) return null;
  return (
    <div className={classes.missedList} role="log" aria-live="polite">
      {missed.map((one) => (
        <MissedCard key={one.sessionId} one={one} />
      ))}
    </div>
  );
}

function MissedCard({ one }: { one: MissedCall }) {
  const { t, i18n } = useLingui();
  const mesh = useMesh();
  const act = useAct();
  const me = useSession((state) => state.me?.user_id);
  const [at] = useState(() => new Date(one.at));
  const { name, roomId, userId, sessionId } = one;
  const room = mesh.rooms.getState().rooms[roomId]?.name ?? '';
  const title = t`Missed call from ${name}`;
  useEffect(() => notice(title, room, sessionId), [title, room, sessionId]);
  const forget = () => act((calls) => calls.call.forgetMissed(sessionId));
  return (
    <section className={classes.missed} aria-label={title}>
      <IconPhoneX size={20} aria-hidden="true" />
      <div className={classes.grow}>
        <Text size="sm" fw={600}>
          {title}
        </Text>
        <Text size="xs" c="dimmed">
          {room} · {i18n.date(at, { timeStyle: 'short' })}
        </Text>
      </div>
      {userId !== me && (
        <Button
          size="xs"
          variant="light"
          onClick={() => {
            forget();
            act((calls) => calls.call.prepare(roomId, { person: { userId, name } }));
          }}
        >
          <Trans>Call back</Trans>
        </Button>
      )}
      <CloseButton size="sm" aria-label={t`Close`} onClick={forget} />
    </section>
  );
}
