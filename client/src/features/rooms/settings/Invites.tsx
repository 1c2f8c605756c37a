import { Plural, Trans, useLingui } from '@lingui/react/macro';
import { Text } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { explainError } from '../../../app/failures';
import { useMesh } from '../../../app/mesh';
import type { RoomView } from '../../../state/roomStore';
import { Problem } from '../../../ui/Problem';
import { Act } from './Act';
import { outranks, ROLE_NAMES } from './roles';
import classes from './settings.module.css';

/** The links that still work. */
export function Invites({ room }: { room: RoomView }) {
  const { t, i18n } = useLingui();
  const { api } = useMesh();
  const invites = useQuery({
    queryKey: ['invites', room.roomId],
    queryFn: () => api.invites(room.roomId),
    staleTime: 0,
  });
  const revoke = useMutation({
    mutationFn: (inviteId: string) => api.revokeInvite(room.roomId, inviteId),
    onSuccess: () => invites.refetch(),
  });
  const problem = revoke.error ?? invites.error;
  return (
    <>
      <Problem>{problem ? explainError(i18n, problem) : null}</Problem>
      {invites.data?.length === 0 && (
        <Text size="sm" c="dimmed">
          <Trans>No invitation link works at the moment.</Trans>
        </Text>
      )}
      <ul className={classes.rows}>
        {invites.data?.map((invite) => {
          const role = i18n._(ROLE_NAMES[invite.role]);
          const left = invite.max_uses - invite.uses;
          const until = i18n.date(invite.expires_at * 1000, { dateStyle: 'medium', timeStyle: 'short' });
          return (
            <li key={invite.invite_id} className={classes.row}>
              <Text size="sm" flex={1}>
                {role} · <Plural value={left} one="# use left" other="# uses left" /> ·{' '}
                <Trans>until {until}</Trans>
              </Text>
              {outranks(room.role, invite.role) && (
                <Act
                  color="red"
                  label={t`Revoke the link for ${role}, until ${until}`}
                  onClick={() => revoke.mutate(invite.invite_id)}
                >
                  <Trans>Revoke</Trans>
                </Act>
              )}
            </li>
          );
        })}
      </ul>
    </>
  );
}
