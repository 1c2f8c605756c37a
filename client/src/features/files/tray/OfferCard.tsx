// One offer: what, how much, from whom; what this browser can take, before the choice; all of it, a part, or no.

import { Plural, Trans, useLingui } from '@lingui/react/macro';
import { Button, Menu, Text } from '@mantine/core';
import { IconChevronDown, IconFileDownload, IconFolderDown } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { explainError } from '../../../app/failures';
import { useMesh, useRoom } from '../../../app/mesh';
import { formatBytes, formatDuration } from '../../../lib/format';
import { capacity, chooseSink, PickCancelled, placeFor } from '../../../lib/transfer/sink';
import type { Reason } from '../../../protocol/generated/Reason';
import type { TransferView } from '../../../state/transferStore';
import classes from '../files.module.css';
import { OfferTree, type Selection, selectAll, selectedSize } from './OfferTree';
import { Words } from './words';

export function OfferCard(props: { offer: TransferView; elsewhere: boolean }) {
  return (
    <Words>
      <Offer {...props} />
    </Words>
  );
}

function Offer({ offer, elsewhere }: { offer: TransferView; elsewhere: boolean }) {
  const { t, i18n } = useLingui();
  const mesh = useMesh();
  const room = useRoom(offer.roomId)?.name ?? '';
  const [error, setError] = useState<unknown>();
  const [opening, setOpening] = useState(false);
  const [listed, setListed] = useState(false);
  const [selection, setSelection] = useState<Selection>(() => selectAll(offer));
  const { data: can } = useQuery({ queryKey: ['capacity', offer.sessionId], queryFn: capacity });
  const from =
    offer.peerKind === 'agent' && offer.deviceName
      ? `${offer.peerName} (${offer.deviceName})`
      : offer.peerName;
  const bytes = selectedSize(offer, selection);
  const folders = offer.files.some(({ path }) => path.includes('/'));
  const wish = { name: offer.name, size: bytes, count: offer.count, folders };
  const place = can && placeFor(wish, can);
  const nothing = selection.paths.size === 0 && !selection.rest;
  const size = formatBytes(offer.size, i18n.locale);
  const free = can && formatBytes(can.room, i18n.locale);

  async function accept() {
    if (!can) return;
    setOpening(true);
    try {
      const sink = await chooseSink(wish, can);
      const known = new Set(offer.files.map(({ path }) => path));
      const wanted = (path: string) => (known.has(path) ? selection.paths.has(path) : selection.rest);
      mesh.withTransfers((actions) => actions.accept(offer.sessionId, sink, wanted));
    } catch (failure) {
      if (!(failure instanceof PickCancelled)) setError(failure);
    } finally {
      setOpening(false);
    }
  }

  const decline = (reason: Reason) =>
    mesh.withTransfers((actions) => actions.decline(offer.sessionId, reason));

  return (
    <section className={classes.offer} aria-label={t`Incoming file: ${offer.name}`}>
      <div className={classes.offerHead}>
        <span className={classes.kind} aria-hidden="true">
          {folders ? <IconFolderDown size={20} /> : <IconFileDownload size={20} />}
        </span>
        <div className={classes.offerText}>
          <Text size="sm" fw={600} className={classes.fileName} title={offer.name}>
            {offer.name}
            {offer.count > 1 && (
              <Text span inherit c="dimmed">
                {' · '}
                <Plural value={offer.count} one="# file" other="# files" />
              </Text>
            )}
          </Text>
          <Text size="xs" c="dimmed">
            <Trans>
              {size} from {from}
            </Trans>
            {elsewhere && room && (
              <>
                {' · '}
                <Trans>in {room}</Trans>
              </>
            )}
            {' · '}
            <Remaining until={offer.expiresAt ?? 0} />
          </Text>
          {free !== undefined && (
            <Text size="xs" {...(place?.possible ? { c: 'dimmed' } : { fw: 600 })}>
              {!place?.possible ? (
                <Trans>
                  This browser can take at most {free}. Use the command line on a machine: mesh receive
                </Trans>
              ) : place.asks ? (
                <Trans>You choose where it goes.</Trans>
              ) : (
                <Trans>Goes into your downloads. This browser has room for {free}.</Trans>
              )}
            </Text>
          )}
          {error !== undefined && (
            <Text size="xs" c="red" role="alert">
              {explainError(i18n, error)}
            </Text>
          )}
        </div>
        <div className={classes.offerActions}>
          {offer.count > 1 && (
            <Button size="sm" variant="subtle" aria-expanded={listed} onClick={() => setListed(!listed)}>
              {listed ? <Trans>Hide files</Trans> : <Trans>Choose files</Trans>}
            </Button>
          )}
          <Button.Group>
            <Button size="sm" variant="default" onClick={() => decline('declined')}>
              <Trans>Decline</Trans>
            </Button>
            <Menu position="bottom-end" withinPortal>
              <Menu.Target>
                <Button size="sm" variant="default" px={6} aria-label={t`Say why not`}>
                  <IconChevronDown size={15} aria-hidden="true" />
                </Button>
              </Menu.Target>
              <Menu.Dropdown>
                <Menu.Item onClick={() => decline('busy')}>
                  <Trans>Not now: I am busy</Trans>
                </Menu.Item>
                <Menu.Item onClick={() => decline('unsupported')}>
                  <Trans>I cannot take it here</Trans>
                </Menu.Item>
              </Menu.Dropdown>
            </Menu>
          </Button.Group>
          <Button
            size="sm"
            loading={opening}
            disabled={!place?.possible || nothing}
            onClick={() => void accept()}
          >
            <Trans>Accept</Trans>
          </Button>
        </div>
      </div>
      {listed && <OfferTree offer={offer} selection={selection} onChange={setSelection} />}
    </section>
  );
}

function Remaining({ until }: { until: number }) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = window.setInterval(() => setNow(Date.now()), 10_000);
    return () => window.clearInterval(timer);
  }, []);
  const left = formatDuration(Math.max(0, (until - now) / 1000));
  // Not read out each time that it changes.
  return (
    <span aria-live="off" className="numbers">
      <Trans>open for {left}</Trans>
    </span>
  );
}
