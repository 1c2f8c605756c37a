// Incoming offers wait at the top of the room until they are answered.

import { Plural, Trans, useLingui } from '@lingui/react/macro';
import { Button, Text } from '@mantine/core';
import { IconFileDownload } from '@tabler/icons-react';
import { useState } from 'react';
import { explainError } from '../../app/failures';
import { useMesh } from '../../app/mesh';
import { formatBytes } from '../../lib/format';
import { chooseSink, memoryLimit, PickCancelled } from '../../lib/transfer/sink';
import type { TransferView } from '../../state/transferStore';
import classes from './files.module.css';
import { useTransfers } from './useTransfers';

export function Offers({ roomId }: { roomId: string }) {
  const offers = useTransfers(roomId).filter((transfer) => transfer.phase === 'offered');
  return (
    <div role="status" aria-live="polite" className={offers.length > 0 ? classes.offers : undefined}>
      {offers.map((offer) => (
        <OfferCard key={offer.sessionId} offer={offer} />
      ))}
    </div>
  );
}

function OfferCard({ offer }: { offer: TransferView }) {
  const { t, i18n } = useLingui();
  const mesh = useMesh();
  const [error, setError] = useState<unknown>();
  const [opening, setOpening] = useState(false);
  const limit = memoryLimit(offer.size);
  const from =
    offer.peerKind === 'agent' && offer.deviceName
      ? `${offer.peerName} (${offer.deviceName})`
      : offer.peerName;
  const size = formatBytes(offer.size, i18n.locale);
  const more = offer.count - 1;

  async function accept() {
    setOpening(true);
    try {
      const sink = await chooseSink(offer);
      mesh.transferActions.accept(offer.sessionId, sink);
    } catch (failure) {
      if (!(failure instanceof PickCancelled)) setError(failure);
    } finally {
      setOpening(false);
    }
  }

  return (
    <section className={classes.offer} aria-label={t`Incoming file: ${offer.name}`}>
      <span className={classes.kind} aria-hidden="true">
        <IconFileDownload size={20} />
      </span>
      <div className={classes.offerText}>
        <Text size="sm" fw={600} className={classes.fileName} title={offer.name}>
          {offer.name}
          {more > 0 && (
            <Text span inherit c="dimmed">
              {' '}
              <Plural value={more} one="and # more file" other="and # more files" />
            </Text>
          )}
        </Text>
        <Text size="xs" c="dimmed">
          <Trans>
            {size} from {from}
          </Trans>
        </Text>
        {limit !== undefined && (
          <Text size="xs" c="orange">
            <Trans>
              This browser can take at most {formatBytes(limit, i18n.locale)}. Use the command line on a
              machine: mesh receive
            </Trans>
          </Text>
        )}
        {error !== undefined && (
          <Text size="xs" c="red" role="alert">
            {explainError(i18n, error)}
          </Text>
        )}
      </div>
      <div className={classes.offerActions}>
        <Button size="sm" variant="default" onClick={() => mesh.transferActions.decline(offer.sessionId)}>
          <Trans>Decline</Trans>
        </Button>
        <Button size="sm" loading={opening} disabled={limit !== undefined} onClick={() => void accept()}>
          <Trans>Accept</Trans>
        </Button>
      </div>
    </section>
  );
}
