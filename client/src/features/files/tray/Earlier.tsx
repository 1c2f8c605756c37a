// Transfers of earlier visits, and those whose cards were cleared away.

import { Plural, Trans, useLingui } from '@lingui/react/macro';
import { Button, Text } from '@mantine/core';
import { IconFileDownload, IconFileUpload } from '@tabler/icons-react';
import { useId, useMemo, useState, useSyncExternalStore } from 'react';
import { explain } from '../../../app/failures';
import { useSession } from '../../../app/mesh';
import { formatBytes, formatDay, formatTime } from '../../../lib/format';
import {
  forgetTransfers,
  historyText,
  type PastTransfer,
  pastTransfers,
  watchHistory,
} from '../../../lib/transfer/history';
import ui from '../../../ui/ui.module.css';
import classes from '../files.module.css';

/** More are shown when they are asked for. */
const FIRST = 10;

/** `shown`: sessions that have a card. */
export function Earlier({ shown }: { shown: ReadonlySet<string> }) {
  const title = useId();
  const account = useSession(({ me }) => me?.user_id);
  const text = useSyncExternalStore(watchHistory, historyText);
  const past = useMemo(
    () => (account === undefined ? [] : pastTransfers(text, account, Date.now())),
    [text, account],
  );
  const [all, setAll] = useState(false);
  const earlier = past.filter(({ sessionId }) => !shown.has(sessionId));
  if (account === undefined || earlier.length === 0) return null;
  const hidden = all ? 0 : Math.max(0, earlier.length - FIRST);
  return (
    <section className={classes.earlier} aria-labelledby={title}>
      <div className={classes.panelHead}>
        <h2 className={ui.sectionTitle} id={title}>
          <Trans>Earlier</Trans>
        </h2>
        <Button size="compact-xs" variant="subtle" onClick={() => forgetTransfers(account)}>
          <Trans>Clear history</Trans>
        </Button>
      </div>
      <ul className={classes.past} aria-labelledby={title}>
        {earlier.slice(0, earlier.length - hidden).map((one) => (
          <Past key={one.sessionId} past={one} />
        ))}
      </ul>
      {hidden > 0 && (
        <Button size="compact-xs" variant="subtle" onClick={() => setAll(true)}>
          <Plural value={hidden} one="Show # more" other="Show # more" />
        </Button>
      )}
    </section>
  );
}

function Past({ past }: { past: PastTransfer }) {
  const { i18n } = useLingui();
  const { name, other, direction, count, size, at } = past;
  const languages = i18n.locales ?? i18n.locale;
  return (
    <li className={classes.pastRow}>
      <span className={classes.direction} aria-hidden="true">
        {direction === 'in' ? <IconFileDownload size={18} /> : <IconFileUpload size={18} />}
      </span>
      <div className={classes.cardNames}>
        <Text size="sm" className={classes.fileName} title={name}>
          {name}
        </Text>
        <Text size="xs" c="dimmed">
          {direction === 'in' ? <Trans>from {other}</Trans> : <Trans>to {other}</Trans>}
          {count > 1 && (
            <>
              {' · '}
              <Plural value={count} one="# file" other="# files" />
            </>
          )}
          {' · '}
          {formatBytes(size, i18n.locale)}
        </Text>
        <Text size="xs" c="dimmed">
          <Outcome past={past} />
          {' · '}
          <time dateTime={new Date(at).toISOString()}>
            {formatDay(at, languages, Date.now())} {formatTime(at, languages)}
          </time>
        </Text>
      </div>
    </li>
  );
}

function Outcome({ past: { outcome, direction, code } }: { past: PastTransfer }) {
  const { i18n } = useLingui();
  switch (outcome) {
    case 'done':
      return direction === 'in' ? <Trans>Received</Trans> : <Trans>Delivered</Trans>;
    case 'declined':
      return direction === 'in' ? (
        <Trans>Not accepted</Trans>
      ) : (
        explain(i18n, { code: code ?? 'declined', detail: '' })
      );
    case 'cancelled':
      return explain(i18n, { code: code ?? 'cancelled', detail: '' });
    case 'failed':
      return explain(i18n, { code: code ?? 'IO', detail: '' });
  }
}
