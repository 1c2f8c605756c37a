import { Trans, useLingui } from '@lingui/react/macro';
import { Group, Select, Text } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { explainError } from '../../../app/failures';
import { useMesh, useSession } from '../../../app/mesh';
import type { Role } from '../../../protocol/rest';
import type { RoomView } from '../../../state/roomStore';
import { Avatar } from '../../../ui/Avatar';
import { Problem } from '../../../ui/Problem';
import { Act } from './Act';
import { outranks, ROLE_NAMES, ROLES } from './roles';
import classes from './settings.module.css';

/** Everybody with their role; what changes arrives by the socket. */
export function Members({ room }: { room: RoomView }) {
  const { t, i18n } = useLingui();
  const { api } = useMesh();
  const me = useSession((state) => state.me);
  const act = useMutation({ mutationFn: (what: () => Promise<object>) => what() });
  const given = ROLES.filter((role) => outranks(room.role, role));
  return (
    <>
      <Problem>{act.error ? explainError(i18n, act.error) : null}</Problem>
      <ul className={classes.rows}>
        {room.members.map(({ user_id, name, role }) => {
          const below = user_id !== me?.user_id && outranks(room.role, role);
          return (
            <li key={user_id} className={classes.row} aria-label={name}>
              <Avatar name={name} id={user_id} size={28} />
              <Text size="sm" truncate flex={1}>
                {name}
              </Text>
              {below ? (
                <Group gap={4} wrap="nowrap">
                  <Select
                    aria-label={t`Role of ${name}`}
                    size="xs"
                    w={130}
                    allowDeselect={false}
                    value={role}
                    data={given.map((value) => ({ value, label: i18n._(ROLE_NAMES[value]) }))}
                    onChange={(value) => act.mutate(() => api.setRole(room.roomId, user_id, value as Role))}
                  />
                  <Act
                    label={t`Remove ${name}`}
                    onClick={() => act.mutate(() => api.removeMember(room.roomId, user_id))}
                  >
                    <Trans>Remove</Trans>
                  </Act>
                  <Act
                    color="red"
                    label={t`Ban ${name}`}
                    onClick={() => act.mutate(() => api.ban(room.roomId, user_id, true))}
                  >
                    <Trans>Ban</Trans>
                  </Act>
                </Group>
              ) : (
                <Text size="sm" c="dimmed">
                  {i18n._(ROLE_NAMES[role])}
                </Text>
              )}
            </li>
          );
        })}
      </ul>
    </>
  );
}
