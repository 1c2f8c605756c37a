// What is told while nobody looks, and where. Each change is stored as it is made.

import { i18n as page } from '@lingui/core';
import { Trans } from '@lingui/react/macro';
import { Stack, Text } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useMemo } from 'react';
import { explainError } from '../../app/failures';
import { useMesh } from '../../app/mesh';
import type { ChangeNotifications } from '../../protocol/generated/ChangeNotifications';
import { Problem } from '../../ui/Problem';
import { Section } from '../settings/parts';
import { applied, notificationsApi, type Preferences } from './api';
import { Choices } from './Choices';

import { Places } from './Places';
import { Test } from './Test';
import { ThisBrowser } from './ThisBrowser';
import { Words } from './words';

export function Notifications() {
  return (
    <Words>
      <Panel />
    </Words>
  );
}

const KEY = ['notifications'];

function Panel() {
  const mesh = useMesh();
  const queries = useQueryClient();
  const api = useMemo(() => notificationsApi(mesh.api), [mesh]);
  const read = useQuery({ queryKey: KEY, queryFn: api.preferences });
  const rooms = useQuery({ queryKey: ['rooms'], queryFn: () => mesh.api.rooms() });
  const write = useMutation({
    mutationFn: (change: ChangeNotifications) =>
      // Notices come in the language in which they were last decided about.
      api.change({ ...change, language: page.locale === 'fr' ? 'fr' : 'en' }),
    onMutate: (change) =>
      queries.setQueryData<Preferences>(KEY, (now) => (now ? applied(now, change) : undefined)),
    onSuccess: (now) => queries.setQueryData(KEY, now),
    onError: () => queries.invalidateQueries({ queryKey: KEY }),
  });
  const change = (what: ChangeNotifications) =>
    write.mutateAsync(what).then(
      () => true,
      () => false,
    );
  const error = write.error ?? read.error;
  return (
    <Section title={<Trans>Notifications</Trans>}>
      <Text size="sm" c="dimmed">
        <Trans>
          Sent while you are not looking at the room. They say who and where, and never what was said.
        </Trans>
      </Text>
      <Problem>{error ? explainError(page, error) : null}</Problem>
      {read.data && (
        <Stack gap="lg">
          <Choices preferences={read.data} rooms={rooms.data ?? []} change={change} />
          <ThisBrowser
            preferences={read.data}
            api={api}
            changed={() => queries.invalidateQueries({ queryKey: KEY })}
          />
          <Places preferences={read.data} change={change} />
          <Test api={api} waiting={read.data.waiting} />
        </Stack>
      )}
    </Section>
  );
}
