import { Trans, useLingui } from '@lingui/react/macro';
import { Text } from '@mantine/core';
import ui from '../../ui/ui.module.css';
import classes from './files.module.css';
import { TransferCard } from './TransferCard';
import { useTransfers } from './useTransfers';

export function TransfersPanel({ roomId }: { roomId: string }) {
  const { t } = useLingui();
  const transfers = useTransfers(roomId).filter((transfer) => transfer.phase !== 'offered');
  return (
    <section className={classes.panel} aria-label={t`Transfers`}>
      <h2 className={ui.sectionTitle}>
        <Trans>Transfers</Trans>
      </h2>
      {transfers.length === 0 ? (
        <Text size="sm" c="dimmed" px={6}>
          <Trans>None yet. Drop a file anywhere on this page, or from a machine: mesh send FILE</Trans>
        </Text>
      ) : (
        <ul className={classes.list}>
          {transfers.map((transfer) => (
            <TransferCard key={transfer.sessionId} transfer={transfer} />
          ))}
        </ul>
      )}
    </section>
  );
}
