import { Trans } from '@lingui/react/macro';
import { Loader, UnstyledButton } from '@mantine/core';
import { useMesh, useSession } from '../../app/mesh';
import classes from './rooms.module.css';

/** Says so while the server is out of reach. What runs directly between devices goes on. */
export function ConnectionBanner() {
  const mesh = useMesh();
  const status = useSession((state) => state.connection.status);
  const attempt = useSession((state) => state.connection.attempt);
  const away = status === 'reconnecting';
  return (
    <div role="status" aria-live="polite">
      {away && (
        <div className={classes.banner}>
          <Loader size={14} color="currentColor" aria-hidden="true" />
          <span>
            {attempt > 3 ? (
              <Trans>The server is out of reach. Still trying; direct connections go on.</Trans>
            ) : (
              <Trans>Reconnecting…</Trans>
            )}
          </span>
          {attempt > 1 && (
            <UnstyledButton className={classes.bannerAction} onClick={() => mesh.socket.hurry()}>
              <Trans>Try now</Trans>
            </UnstyledButton>
          )}
        </div>
      )}
    </div>
  );
}
