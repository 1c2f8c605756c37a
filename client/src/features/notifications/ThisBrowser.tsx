import { i18n as page } from '@lingui/core';
import { Trans } from '@lingui/react/macro';
import { Button, Text } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { explainError } from '../../app/failures';
import { useSession } from '../../app/mesh';
import { Problem } from '../../ui/Problem';
import { Row } from '../settings/parts';
import type { NotificationsApi, Preferences } from './api';
import { NotAllowed, obstacle, subscribe, unsubscribe } from './subscription';

interface Props {
  preferences: Preferences;
  api: NotificationsApi;
  changed: () => void;
}

/** Web Push to the browser that shows this page. */
export function ThisBrowser({ preferences, api, changed }: Props) {
  const device = useSession((state) => state.me?.device_id);
  const subscribed = preferences.browsers.some((browser) => browser.device_id === device);
  const toggle = useMutation({
    mutationFn: () => (subscribed ? unsubscribe(api) : subscribe(api, preferences.push_key)),
    onSettled: changed,
  });
  const impossible = obstacle();
  return (
    <>
      <Row label={<Trans>This browser, also while no page of Mesh is open</Trans>}>
        <Button
          variant="default"
          disabled={impossible !== undefined}
          loading={toggle.isPending}
          onClick={() => toggle.mutate()}
        >
          {subscribed ? <Trans>Stop</Trans> : <Trans>Notify here</Trans>}
        </Button>
      </Row>
      {impossible && (
        <Text size="xs" c="dimmed">
          {impossible === 'insecure' ? (
            <Trans>Browsers allow this only where the page is opened over https.</Trans>
          ) : (
            <Trans>
              This browser cannot receive notices. On an iPhone, add the page to the home screen first.
            </Trans>
          )}
        </Text>
      )}
      <Problem>{toggle.error ? <Why error={toggle.error} /> : null}</Problem>
    </>
  );
}

function Why({ error }: { error: Error }) {
  if (error instanceof NotAllowed)
    return <Trans>The browser was not allowed to show notices. Allow it in the settings of this site.</Trans>;
  if (error instanceof DOMException)
    return <Trans>The push service of this browser cannot be reached, or refused. Try again later.</Trans>;
  return explainError(page, error);
}
