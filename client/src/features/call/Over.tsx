// A call that is over by itself, or could not begin: why, and a way on.

import { Trans, useLingui } from '@lingui/react/macro';
import { Button, Group, Text } from '@mantine/core';
import { IconPhoneOff } from '@tabler/icons-react';
import type { CallView } from '../../state/callStore';
import { EmptyState } from '../../ui/EmptyState';
import classes from './call.module.css';
import { explainCall } from './sentences';
import { useAct } from './useCalls';

export function Over({ call }: { call: CallView }) {
  const { t, i18n } = useLingui();
  const act = useAct();
  const { roomId, person } = call;
  return (
    <section className={classes.layer} aria-label={t`Call`}>
      <EmptyState order={1} icon={<IconPhoneOff size={26} />} title={<Trans>The call is over</Trans>}>
        <Text size="sm" c="dimmed" maw={440} role="alert">
          {explainCall(i18n, call.end ?? { code: 'CONNECTION', detail: '' })}
        </Text>
        <Group gap="xs" justify="center">
          <Button variant="default" onClick={() => act((calls) => calls.call.leave())}>
            <Trans>Close</Trans>
          </Button>
          <Button onClick={() => act((calls) => calls.call.prepare(roomId, { person }))}>
            <Trans>Call again</Trans>
          </Button>
        </Group>
      </EmptyState>
    </section>
  );
}
