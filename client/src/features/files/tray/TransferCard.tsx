import { Plural, Trans, useLingui } from '@lingui/react/macro';
import { ActionIcon, Button, FileButton, Progress, Text, Tooltip } from '@mantine/core';
import {
  IconCircleCheckFilled,
  IconFileDownload,
  IconFileUpload,
  IconPlayerPause,
  IconPlayerPlay,
  IconRefresh,
  IconShieldCheck,
  IconX,
} from '@tabler/icons-react';
import { explain } from '../../../app/failures';
import { useMesh, useRoom } from '../../../app/mesh';
import { formatBytes, formatDuration, formatRate, shortHash } from '../../../lib/format';
import { fromInput } from '../../../lib/transfer/chosen';
import { isOpen, type TransferView } from '../../../state/transferStore';
import { PathBadge } from '../../../ui/PathBadge';
import classes from '../files.module.css';

/** `elsewhere`: it belongs to a room that is not in sight. */
export function TransferCard({ transfer, elsewhere }: { transfer: TransferView; elsewhere: boolean }) {
  const { t, i18n } = useLingui();
  const mesh = useMesh();
  const { sessionId, phase, direction, name, size, moved, count } = transfer;
  const open = isOpen(transfer);
  const other = (transfer.peerKind === 'agent' && transfer.deviceName) || transfer.peerName;
  const room = useRoom(transfer.roomId)?.name ?? '';
  const again =
    !transfer.sourceLost &&
    direction === 'out' &&
    (phase === 'failed' || phase === 'cancelled' || phase === 'declined');
  const percent = phase === 'done' ? 100 : size > 0 ? Math.floor((moved / size) * 100) : 0;
  return (
    <li className={classes.card} aria-label={name} data-phase={phase}>
      <div className={classes.cardHead}>
        <span className={classes.direction} aria-hidden="true">
          {direction === 'in' ? <IconFileDownload size={18} /> : <IconFileUpload size={18} />}
        </span>
        <div className={classes.cardNames}>
          <Text size="sm" fw={580} className={classes.fileName} title={name}>
            {name}
          </Text>
          <Text size="xs" c="dimmed" truncate>
            {direction === 'in' ? <Trans>from {other}</Trans> : <Trans>to {other}</Trans>}
            {count > 1 && (
              <>
                {' · '}
                <Plural value={count} one="# file" other="# files" />
              </>
            )}
            {' · '}
            {formatBytes(size, i18n.locale)}
            {elsewhere && room && (
              <>
                {' · '}
                <Trans>in {room}</Trans>
              </>
            )}
          </Text>
        </div>
        {phase === 'moving' && (
          <Tooltip label={transfer.pausedHere ? t`Resume` : t`Pause`}>
            <ActionIcon
              size="sm"
              aria-label={transfer.pausedHere ? t`Resume ${name}` : t`Pause ${name}`}
              onClick={() => mesh.withTransfers((actions) => actions.pause(sessionId, !transfer.pausedHere))}
            >
              {transfer.pausedHere ? <IconPlayerPlay size={15} /> : <IconPlayerPause size={15} />}
            </ActionIcon>
          </Tooltip>
        )}
        {again && (
          <Tooltip label={t`Offer again`}>
            <ActionIcon
              size="sm"
              aria-label={t`Offer ${name} again`}
              onClick={() => mesh.withTransfers((actions) => actions.retry(sessionId))}
            >
              <IconRefresh size={15} />
            </ActionIcon>
          </Tooltip>
        )}
        <Tooltip label={open ? t`Cancel` : t`Dismiss`}>
          <ActionIcon
            size="sm"
            aria-label={open ? t`Cancel ${name}` : t`Dismiss ${name}`}
            onClick={() =>
              mesh.withTransfers((actions) => (open ? actions.cancel(sessionId) : actions.dismiss(sessionId)))
            }
          >
            <IconX size={15} />
          </ActionIcon>
        </Tooltip>
      </div>
      {(phase === 'moving' || phase === 'saving' || phase === 'interrupted') && (
        <Progress
          value={percent}
          size="sm"
          radius="xl"
          aria-label={t`Progress of ${name}`}
          // A transition draws sixty pictures a second, as long as the transfer.
          transitionDuration={0}
        />
      )}
      {/* Progress is not read out at every step; what comes before and after it is. */}
      <div className={classes.cardFoot} role={phase === 'moving' ? undefined : 'status'}>
        <Status transfer={transfer} percent={percent} />
      </div>
      {transfer.sourceLost && <ChooseAgain transfer={transfer} />}
      {phase === 'done' && <Verified transfer={transfer} />}
    </li>
  );
}

function Status({ transfer, percent }: { transfer: TransferView; percent: number }) {
  const { i18n } = useLingui();
  const { phase, direction, size, moved, prepared, rate } = transfer;
  const paused = transfer.pausedHere || transfer.pausedThere;
  const preparedPercent = size > 0 ? Math.floor((prepared / size) * 100) : 100;
  switch (phase) {
    case 'offered':
      return null;
    case 'asking':
      return (
        <Text size="xs" c="dimmed">
          <Trans>Waiting until it is accepted…</Trans>
        </Text>
      );
    case 'preparing':
      return (
        <Text size="xs" c="dimmed" className="numbers">
          <Trans>Computing the hash… {preparedPercent} %</Trans>
        </Text>
      );
    case 'connecting':
      return (
        <Text size="xs" c="dimmed">
          <Trans>Making the direct connection…</Trans>
        </Text>
      );
    case 'moving':
    case 'saving':
      return (
        <>
          <Text size="xs" c="dimmed" className="numbers" flex="1 0 auto">
            {percent} % · {formatBytes(moved, i18n.locale)}
            {paused && (
              <>
                {' · '}
                {transfer.pausedHere ? <Trans>Paused</Trans> : <Trans>Paused by the other side</Trans>}
              </>
            )}
            {rate > 0 && phase === 'moving' && !paused && (
              <>
                {' · '}
                <span data-testid="transfer-rate">{formatRate(rate, i18n.locale)}</span>
                {moved < size && ` · ${formatDuration((size - moved) / rate)}`}
              </>
            )}
          </Text>
          <PathBadge path={transfer.path} />
        </>
      );
    case 'interrupted':
      return (
        <Text size="xs" c="dimmed">
          <Trans>The connection was lost. It goes on by itself when the other side is back.</Trans>
        </Text>
      );
    case 'done':
      return (
        <>
          <Text size="xs" fw={560} className={classes.done} flex={1}>
            <IconCircleCheckFilled size={15} aria-hidden="true" />
            {direction === 'in' ? <Trans>Received and saved</Trans> : <Trans>Delivered</Trans>}
            <Skipped transfer={transfer} />
          </Text>
          <PathBadge path={transfer.path} />
        </>
      );
    case 'declined':
    case 'cancelled':
      return (
        <Text size="xs" c="dimmed">
          {explain(i18n, transfer.error ?? { code: 'cancelled', detail: '' })}
        </Text>
      );
    case 'failed':
      return (
        <Text size="xs" className={classes.failed} role="alert">
          {explain(i18n, transfer.error ?? { code: 'IO', detail: '' })}
        </Text>
      );
  }
}

function Skipped({ transfer }: { transfer: TransferView }) {
  const skipped = transfer.files.filter((file) => file.skipped).length;
  if (skipped === 0) return null;
  return (
    <>
      {' · '}
      <Plural value={skipped} one="# file not wanted" other="# files not wanted" />
    </>
  );
}

function ChooseAgain({ transfer }: { transfer: TransferView }) {
  const { t } = useLingui();
  const mesh = useMesh();
  const folders = transfer.files.some(({ path }) => path.includes('/'));
  return (
    <FileButton
      multiple
      inputProps={{
        'aria-label': t`The files of ${transfer.name}`,
        ...(folders ? { webkitdirectory: '' } : {}),
      }}
      onChange={(files) =>
        mesh.withTransfers((actions) => actions.retryWith(transfer.sessionId, fromInput(files).files))
      }
    >
      {(props) => (
        <Button size="xs" variant="light" {...props}>
          <Trans>Choose again</Trans>
        </Button>
      )}
    </FileButton>
  );
}

/** Only where it is true: every file's hash was computed at the receiving end and equals the announced one. */
function Verified({ transfer }: { transfer: TransferView }) {
  const wanted = transfer.files.filter((file) => !file.skipped);
  const hashes = wanted.filter((file) => file.verified && file.hash);
  if (hashes.length === 0 || hashes.length < wanted.length) return null;
  const [first] = hashes;
  return (
    <Text size="xs" className={classes.verified}>
      <IconShieldCheck size={15} aria-hidden="true" />
      <span>
        <Trans>BLAKE3 verified</Trans>
      </span>
      {hashes.length === 1 && first?.hash && (
        <Tooltip label={first.hash} multiline maw={330} styles={{ tooltip: { overflowWrap: 'anywhere' } }}>
          <code data-testid="transfer-hash" data-hash={first.hash}>
            {shortHash(first.hash)}
          </code>
        </Tooltip>
      )}
    </Text>
  );
}
