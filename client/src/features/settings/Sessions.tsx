import { Trans, useLingui } from '@lingui/react/macro';
import { Badge, Button, Text } from '@mantine/core';
import { IconKey } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { explainError } from '../../app/failures';
import { useMesh } from '../../app/mesh';
import { Problem } from '../../ui/Problem';
import { Section } from './parts';
import classes from './settings.module.css';

/** Every sign-in that stands: where, since when, last used when. A device may have several. */
export function Sessions() {
  const mesh = useMesh();
  const { t, i18n } = useLingui();
  const queries = useQueryClient();
  const sessions = useQuery({ queryKey: ['sessions'], queryFn: () => mesh.api.sessions() });
  const end = useMutation({
    mutationFn: (id: string) => mesh.api.endSession(id),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['sessions'] }),
  });
  const time = (at: number) => i18n.date(at, { dateStyle: 'medium', timeStyle: 'short' });
  const error = end.error ?? sessions.error;
  return (
    <Section title={<Trans>Sessions</Trans>}>
      <Problem>{error ? explainError(i18n, error) : null}</Problem>
      <ul className={classes.devices} aria-label={t`Sessions`}>
        {sessions.data?.map((session) => (
          <li key={session.id} className={classes.device}>
            <IconKey size={20} aria-hidden="true" />
            <div className={classes.deviceNames}>
              <Text size="sm" fw={560} truncate>
                {session.device_name}
                {session.address ? ` · ${session.address}` : ''}
              </Text>
              <Text size="xs" c="dimmed">
                <Trans>
                  Since {time(session.created_at)}, last used {time(session.last_seen_at)}
                </Trans>
              </Text>
            </div>
            {session.current ? (
              <Badge variant="light" tt="none">
                <Trans>This one</Trans>
              </Badge>
            ) : (
              <Button
                size="xs"
                variant="subtle"
                color="red"
                aria-label={t`End the session of ${session.device_name}`}
                loading={end.isPending && end.variables === session.id}
                onClick={() => end.mutate(session.id)}
              >
                <Trans>End</Trans>
              </Button>
            )}
          </li>
        ))}
      </ul>
    </Section>
  );
}
