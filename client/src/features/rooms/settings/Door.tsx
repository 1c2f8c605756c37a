import { Trans, useLingui } from '@lingui/react/macro';
import { Stack, Switch, Text, Title } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { explainError } from '../../../app/failures';
import { useMesh } from '../../../app/mesh';
import type { RoomView } from '../../../state/roomStore';
import { Problem } from '../../../ui/Problem';
import { Act } from './Act';
import { ROLE_NAMES } from './roles';
import classes from './settings.module.css';

/** Lock, lobby and bans. */
export function Door({ room }: { room: RoomView }) {
  const { t, i18n } = useLingui();
  const { api } = useMesh();
  const { roomId, settings } = room;
  const lobby = useQuery({
    queryKey: ['lobby', roomId, room.waiting],
    queryFn: () => api.lobby(roomId),
    enabled: room.waiting > 0,
  });
  const bans = useQuery({ queryKey: ['bans', roomId], queryFn: () => api.bans(roomId) });
  const act = useMutation({
    mutationFn: (what: () => Promise<object>) => what(),
    onSuccess: () => bans.refetch(),
  });
  const waiting = room.waiting > 0 ? (lobby.data ?? []) : [];
  return (
    <Stack>
      <Problem>{act.error ? explainError(i18n, act.error) : null}</Problem>
      <Switch
        label={t`Locked: nobody new comes in`}
        checked={settings.locked}
        onChange={({ currentTarget: { checked } }) =>
          act.mutate(() => api.changeRoom(roomId, { locked: checked }))
        }
      />
      <Switch
        label={t`Lobby: who comes waits until let in`}
        checked={settings.lobby}
        onChange={({ currentTarget: { checked } }) =>
          act.mutate(() => api.changeRoom(roomId, { lobby: checked }))
        }
      />
      {waiting.length > 0 && (
        <section aria-label={t`Waiting to be let in`}>
          <Title order={3} size="sm">
            <Trans>Waiting to be let in</Trans>
          </Title>
          <ul className={classes.rows}>
            {waiting.map(({ user_id, name, role }) => (
              <li key={user_id} className={classes.row} aria-label={name}>
                <Text size="sm" truncate flex={1}>
                  {name} · {i18n._(ROLE_NAMES[role])}
                </Text>
                <Act
                  variant="filled"
                  label={t`Let ${name} in`}
                  onClick={() => act.mutate(() => api.letIn(roomId, user_id, true))}
                >
                  <Trans>Let in</Trans>
                </Act>
                <Act
                  label={t`Refuse ${name}`}
                  onClick={() => act.mutate(() => api.letIn(roomId, user_id, false))}
                >
                  <Trans>Refuse</Trans>
                </Act>
              </li>
            ))}
          </ul>
        </section>
      )}
      {bans.data && bans.data.length > 0 && (
        <section aria-label={t`Banned`}>
          <Title order={3} size="sm">
            <Trans>Banned</Trans>
          </Title>
          <ul className={classes.rows}>
            {bans.data.map(({ user_id, name }) => (
              <li key={user_id} className={classes.row} aria-label={name}>
                <Text size="sm" truncate flex={1}>
                  {name}
                </Text>
                <Act
                  label={t`Lift the ban of ${name}`}
                  onClick={() => act.mutate(() => api.ban(roomId, user_id, false))}
                >
                  <Trans>Lift ban</Trans>
                </Act>
              </li>
            ))}
          </ul>
        </section>
      )}
    </Stack>
  );
}
