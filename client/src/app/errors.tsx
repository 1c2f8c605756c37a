import { Trans, useLingui } from '@lingui/react/macro';
import { Button, Text } from '@mantine/core';
import { IconCloudOff, IconMapOff } from '@tabler/icons-react';
import { Link, useRouter } from '@tanstack/react-router';
import { EmptyState } from '../ui/EmptyState';
import { explainError } from './failures';

export function NotFound() {
  return (
    <main style={{ height: '100%', display: 'flex' }}>
      <EmptyState icon={<IconMapOff size={26} />} title={<Trans>There is nothing at this address</Trans>}>
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
  return (
    <main style={{ height: '100%', display: 'flex' }}>
      <EmptyState icon={<IconCloudOff size={26} />} title={<Trans>Mesh could not be loaded</Trans>}>
        <Text size="sm" c="dimmed" maw={420} role="alert">
          {explainError(i18n, error)}
        </Text>
        <Button onClick={() => void router.invalidate()}>
          <Trans>Try again</Trans>
        </Button>
      </EmptyState>
    </main>
  );
}
