import { Trans, useLingui } from '@lingui/react/macro';
import { Badge, Button, Text } from '@mantine/core';
import { IconBrowser, IconDeviceDesktop } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { explainError } from '../../app/failures';
import { useMesh, useSession } from '../../app/mesh';
import { Problem } from '../../ui/Problem';
import { Section } from './parts';
import classes from './settings.module.css';

export function Devices() {
  const mesh = useMesh();
  const { t, i18n } = useLingui();
  const me = useSession((state) => state.me);
  const queries = useQueryClient();
  const devices = useQuery({ queryKey: ['devices'], queryFn: () => mesh.api.devices() });
  const remove = useMutation({
    mutationFn: (deviceId: string) => mesh.api.removeDevice(deviceId),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['devices'] }),
  });
  const list = [...(devices.data ?? [])].sort((a, b) => (b.last_seen_at ?? 0) - (a.last_seen_at ?? 0));
  return (
    <Section title={<Trans>Devices</Trans>}>
      <Problem>
        {(remove.error ?? devices.error) ? explainError(i18n, remove.error ?? devices.error) : null}
      </Problem>
      <ul className={classes.devices}>
        {list.map((device) => {
          const current = device.device_id === me?.device_id;
          const seen = i18n.date(device.last_seen_at ?? device.created_at, {
            dateStyle: 'medium',
            timeStyle: 'short',
          });
          return (
            <li key={device.device_id} className={classes.device}>
              {device.kind === 'agent' ? (
                <IconDeviceDesktop size={20} aria-hidden="true" />
              ) : (
                <IconBrowser size={20} aria-hidden="true" />
              )}
              <div className={classes.deviceNames}>
                <Text size="sm" fw={560} truncate>
                  {device.name}
                </Text>
                <Text size="xs" c="dimmed">
                  <Trans>Last seen {seen}</Trans>
                </Text>
              </div>
              {current ? (
                <Badge variant="light" tt="none">
                  <Trans>This page</Trans>
                </Badge>
              ) : (
                <Button
                  size="xs"
                  variant="subtle"
                  color="red"
                  aria-label={t`Remove ${device.name}`}
                  loading={remove.isPending && remove.variables === device.device_id}
                  onClick={() => remove.mutate(device.device_id)}
                >
                  <Trans>Remove</Trans>
                </Button>
              )}
            </li>
          );
        })}
      </ul>
      <Text size="xs" c="dimmed">
        <Trans>Removing a device signs it out and ends what it is connected to within seconds.</Trans>
      </Text>
    </Section>
  );
}
