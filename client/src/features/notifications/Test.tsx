import { i18n as page } from '@lingui/core';
import { Plural, Trans, useLingui } from '@lingui/react/macro';
import { Button, List, Text } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { explainError } from '../../app/failures';
import { Problem } from '../../ui/Problem';
import { Row } from '../settings/parts';
import type { NotificationsApi, Outcome } from './api';

/** Sends a notice to every place now, and shows what each answered. */
export function Test({ api, waiting }: { api: NotificationsApi; waiting: number }) {
  const test = useMutation({ mutationFn: api.test });
  return (
    <>
      <Row label={<Trans>Does it arrive?</Trans>}>
        <Button variant="default" loading={test.isPending} onClick={() => test.mutate()}>
          <Trans>Send a test</Trans>
        </Button>
      </Row>
      {waiting > 0 && (
        <Text size="xs" c="dimmed">
          <Plural value={waiting} one="# notice waits to be sent." other="# notices wait to be sent." />
        </Text>
      )}
      <Problem>{test.error ? explainError(page, test.error) : null}</Problem>
      {test.data && (
        <div role="status">
          {test.data.length === 0 ? (
            <Text size="sm">
              <Trans>There is no place to send it to yet.</Trans>
            </Text>
          ) : (
            <List size="sm">
              {test.data.map((outcome, at) => (
                <List.Item key={at}>
                  <Told outcome={outcome} />
                </List.Item>
              ))}
            </List>
          )}
        </div>
      )}
    </>
  );
}

function Told({ outcome }: { outcome: Outcome }) {
  const { t } = useLingui();
  const names: Record<Outcome['channel'], string> = {
    server: t`Gotify of this server`,
    gotify: 'Gotify',
    ntfy: 'ntfy',
    web_push: t`A browser`,
  };
  const name = names[outcome.channel];
  // The server's own words: they name what the other end answered.
  return outcome.ok ? <Trans>{name}: sent.</Trans> : `${name}: ${outcome.detail ?? ''}`;
}
