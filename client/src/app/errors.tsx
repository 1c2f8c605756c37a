import { Trans, useLingui } from '@lingui/react/macro';
import { Button, Text } from '@mantine/core';
import { IconCloudOff, IconMapOff } from '@tabler/icons-react';
import { Link, useRouter } from '@tanstack/react-router';
import { useEffect } from 'react';
import { ApiError } from '../lib/api';
import { EmptyState } from '../ui/EmptyState';
import { explainError } from './failures';
import { useMesh } from './mesh';

const AGAIN_EVERY_MS = 5_000;

export function NotFound() {
  return (
    <main style={{ height: '100%', display: 'flex' }}>
      <EmptyState
        order={1}
        icon={<IconMapOff size={26} />}
        title={<Trans>There is nothing at this address</Trans>}
      >
        <Button component={Link} to="/" variant="light">
          <Trans>Go to your rooms</Trans>
        </Button>
      </EmptyState>
    </main>
  );
}

export function LoadFailed({ error }: { error: unknown }) {
  const { i18n } = useLingui();
  const router = useRouter();
  const mesh = useMesh();
  const answered = error instanceof ApiError;
  // By itself as soon as the server is back: nobody has to come and press the button.
  useEffect(() => {
    const look = () =>
      mesh.api
        .me()
        .catch((failure) => {
          // Signed out meanwhile: that is an answer too.
          if (!(failure instanceof ApiError) || failure.status !== 401) throw failure;
        })
        .then(() => router.invalidate())
        .catch((failure) => console.debug('still away', failure));
    const timer = window.setInterval(look, AGAIN_EVERY_MS);
    window.addEventListener('online', look);
    return () => {
      window.clearInterval(timer);
      window.removeEventListener('online', look);
    };
  }, [mesh, router]);
  return (
    <main style={{ height: '100%', display: 'flex' }}>
      <EmptyState order={1} icon={<IconCloudOff size={26} />} title={<Trans>Mesh could not be loaded</Trans>}>
        <Text size="sm" c="dimmed" maw={420} role="alert">
          {answered ? (
            explainError(i18n, error)
          ) : (
            <Trans>A part of this page could not be shown. Load the page again.</Trans>
          )}
        </Text>
        <Button onClick={() => (answered ? void router.invalidate() : location.reload())}>
          <Trans>Try again</Trans>
        </Button>
      </EmptyState>
    </main>
  );
}
