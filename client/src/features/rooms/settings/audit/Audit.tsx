import { Trans, useLingui } from '@lingui/react/macro';
import { Button, Group, Text } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { explainError } from '../../../../app/failures';
import { useMesh } from '../../../../app/mesh';
import { download } from '../../../../lib/transfer/sink';
import type { RoomView } from '../../../../state/roomStore';
import { Problem } from '../../../../ui/Problem';
import { RIGHT_NAMES } from '../rights';
import classes from '../settings.module.css';
import { ACT_NAMES, auditPage, type Entry, isKnown, wholeRecord } from './entries';

const PAGE = 50;

/** Who asked for, got, used and took back what, and who changed what; newest first. */
export function Audit({ room }: { room: RoomView }) {
  const { i18n } = useLingui();
  const { api } = useMesh();
  const read = async (before?: number) => {
    const from = before === undefined ? '' : `&before=${before}`;
    const path = `/rooms/${encodeURIComponent(room.roomId)}/audit?limit=${PAGE}${from}`;
    return (await api.get(path, auditPage)).entries;
  };
  const [older, setOlder] = useState<Entry[]>([]);
  const [atEnd, setAtEnd] = useState(false);
  const newest = useQuery({
    queryKey: ['audit', room.roomId],
    queryFn: () => read(),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  });
  const entries = newest.data && [...newest.data, ...older];
  const more = useMutation({
    mutationFn: () => read(entries?.at(-1)?.seq),
    onSuccess: (page) => {
      setOlder([...older, ...page]);
      setAtEnd(page.length < PAGE);
    },
  });
  const hasMore = !atEnd && (newest.data?.length ?? 0) === PAGE;
  const save = useMutation({
    mutationFn: async () => download(await wholeRecord(room.roomId), `audit-${room.name}.ndjson`),
  });
  const problem = newest.error ?? more.error ?? save.error;
  return (
    <>
      <Problem>{problem ? explainError(i18n, problem) : null}</Problem>
      <Group justify="space-between" mb="xs">
        <Text size="sm" c="dimmed" flex="1 1 240px">
          <Trans>What is said, shown or sent does not stand here.</Trans>
        </Text>
        <Button size="xs" variant="default" loading={save.isPending} onClick={() => save.mutate()}>
          <Trans>Export</Trans>
        </Button>
      </Group>
      {entries?.length === 0 && (
        <Text size="sm" c="dimmed">
          <Trans>Nothing has happened yet.</Trans>
        </Text>
      )}
      <ul className={classes.rows}>
        {entries?.map((entry) => (
          <li key={entry.seq} className={classes.row}>
            <Line entry={entry} />
          </li>
        ))}
      </ul>
      {hasMore && (
        <Button fullWidth variant="subtle" loading={more.isPending} onClick={() => more.mutate()}>
          <Trans>Show older ones</Trans>
        </Button>
      )}
    </>
  );
}

function Line({ entry }: { entry: Entry }) {
  const { t, i18n } = useLingui();
  const who = entry.actor?.name ?? t`The operator of the server`;
  const rights = entry.capabilities?.map((name) => {
    const known = RIGHT_NAMES[name];
    return known ? i18n._(known) : name;
  });
  const more = [rights?.join(', '), entry.detail].filter(Boolean).join(' · ');
  return (
    <div>
      <Text size="sm" fw={560}>
        {isKnown(entry.act) ? i18n._(ACT_NAMES[entry.act]) : entry.act}
        {more && ` · ${more}`}
      </Text>
      <Text size="xs" c="dimmed">
        {i18n.date(entry.at, { dateStyle: 'medium', timeStyle: 'medium' })} · {who}
        {entry.target && ` → ${entry.target.name}`}
      </Text>
    </div>
  );
}
