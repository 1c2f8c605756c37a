// Whether the network is good for a call, in one line: the server is there, and a way for others to reach this device.

import { Trans } from '@lingui/react/macro';
import { Anchor, Loader, Text } from '@mantine/core';
import { IconAlertTriangle, IconCircleCheck } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useMesh, useSession } from '../../app/mesh';
import { reach } from '../../lib/call/diagnosis';
import classes from './call.module.css';
import { Diagnosis } from './Diagnosis';

export function Verdict() {
  const mesh = useMesh();
  const online = useSession((state) => state.connection.status === 'online');
  const [opened, setOpened] = useState(false);
  const found = useQuery({
    queryKey: ['call', 'reach'],
    queryFn: async () => reach((await mesh.api.ice()).ice_servers),
    staleTime: 60_000,
    retry: false,
  });
  const good = online && found.data?.host;
  if (found.isPending)
    return (
      <Text size="sm" c="dimmed" className={classes.verdict} role="status">
        <Loader size={14} aria-hidden="true" /> <Trans>Looking at the network…</Trans>
      </Text>
    );
  return (
    <div role="status">
      <Text size="sm" className={classes.verdict} data-good={good || undefined}>
        {good ? <IconCircleCheck size={16} /> : <IconAlertTriangle size={16} />}
        {!online ? (
          <Trans>The server is out of reach: nobody can be called.</Trans>
        ) : found.data?.relay ? (
          <Trans>The network is good, and there is a relay where it has to be.</Trans>
        ) : found.data?.reflexive ? (
          <Trans>The network is good. There is no relay: strict firewalls may be in the way.</Trans>
        ) : good ? (
          <Trans>Good for calls in this network. Others may not get through.</Trans>
        ) : (
          <Trans>This browser finds no way to other devices.</Trans>
        )}
      </Text>
      <Anchor component="button" type="button" size="sm" onClick={() => setOpened(true)}>
        <Trans>Test everything</Trans>
      </Anchor>
      {opened && <Diagnosis onClose={() => setOpened(false)} />}
    </div>
  );
}
