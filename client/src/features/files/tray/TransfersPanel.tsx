// All transfers of this visit, of all rooms: what is under way, and what is over until it is cleared; then earlier ones.

import { Trans, useLingui } from '@lingui/react/macro';
import { Button, Text } from '@mantine/core';
import { useMesh } from '../../../app/mesh';
import { isOpen } from '../../../state/transferStore';
import ui from '../../../ui/ui.module.css';
import classes from '../files.module.css';
import { useTransfers } from '../useTransfers';
import { Earlier } from './Earlier';
import { TransferCard } from './TransferCard';
import { Words } from './words';

export function TransfersPanel({ roomId }: { roomId?: string }) {
  return (
    <Words>
      <Panel {...(roomId === undefined ? {} : { roomId })} />
    </Words>
  );
}

function Panel({ roomId }: { roomId?: string }) {
  const { t } = useLingui();
  const mesh = useMesh();
  const transfers = useTransfers().filter((transfer) => transfer.phase !== 'offered');
  const over = transfers.filter((transfer) => !isOpen(transfer)).map(({ sessionId }) => sessionId);
  const shown = new Set(transfers.map(({ sessionId }) => sessionId));
  return (
    <section className={classes.panel} aria-label={t`Transfers`}>
      <div className={classes.panelHead}>
        <h2 className={ui.sectionTitle}>
          <Trans>Transfers</Trans>
        </h2>
        {over.length > 0 && (
          <Button
            size="compact-xs"
            variant="subtle"
            onClick={() => mesh.withTransfers((actions) => actions.dismiss(...over))}
          >
            <Trans>Clear finished</Trans>
          </Button>
        )}
      </div>
      {transfers.length === 0 ? (
        <Text size="sm" c="dimmed" px={6}>
          <Trans>
            None yet. Drop files or folders anywhere on this page, or from a machine: mesh send FILE
          </Trans>
        </Text>
      ) : (
        <ul className={classes.list}>
          {transfers.map((transfer) => (
            <TransferCard
              key={transfer.sessionId}
              transfer={transfer}
              elsewhere={transfer.roomId !== roomId}
            />
          ))}
        </ul>
      )}
      <Earlier shown={shown} />
    </section>
  );
}
