// What stands in a folder, to be sorted, opened and downloaded.

import { Trans, useLingui } from '@lingui/react/macro';
import { ActionIcon, Table, Text, UnstyledButton, VisuallyHidden } from '@mantine/core';
import { IconDownload, IconFile, IconFolder } from '@tabler/icons-react';
import { type ReactNode, useState } from 'react';
import { formatBytes } from '../../lib/format';
import type { FolderEntry } from '../../protocol/frames';
import type { Listing } from './browser';
import classes from './folders.module.css';

type Column = 'path' | 'size' | 'modified_at';

interface Props {
  listing: Listing;
  searched: boolean;
  onOpen: (entry: FolderEntry) => void;
  onDownload: (entry: FolderEntry) => void;
}

export function Entries({ listing, searched, onOpen, onDownload }: Props) {
  const { t, i18n } = useLingui();
  const [by, setBy] = useState<Column>('path');
  const [down, setDown] = useState(false);
  const date = (at: number) => i18n.date(at, { dateStyle: 'medium', timeStyle: 'short' });
  const entries = sorted(listing.entries, by, down, i18n.locale);
  const head = (column: Column, label: ReactNode) => (
    <Table.Th
      aria-sort={by === column ? (down ? 'descending' : 'ascending') : undefined}
      className={column === 'modified_at' ? classes.wide : undefined}
    >
      <UnstyledButton
        className={classes.sort}
        onClick={() => {
          setDown(by === column && !down);
          setBy(column);
        }}
      >
        {label}
      </UnstyledButton>
    </Table.Th>
  );
  if (entries.length === 0)
    return (
      <Text c="dimmed">
        {searched ? <Trans>Nothing was found.</Trans> : <Trans>This folder is empty.</Trans>}
      </Text>
    );
  return (
    <>
      <Table highlightOnHover>
        <Table.Thead>
          <Table.Tr>
            {head('path', <Trans>Name</Trans>)}
            {head('size', <Trans>Size</Trans>)}
            {head('modified_at', <Trans>Changed</Trans>)}
            <Table.Th>
              <VisuallyHidden>
                <Trans>Download</Trans>
              </VisuallyHidden>
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {entries.map((entry) => (
            <Table.Tr key={entry.path}>
              <Table.Td className={classes.cell}>
                <UnstyledButton className={classes.entry} onClick={() => onOpen(entry)}>
                  {entry.folder ? (
                    <IconFolder size={18} aria-label={t`Folder`} />
                  ) : (
                    <IconFile size={18} aria-hidden="true" />
                  )}
                  <span className={classes.name}>{entry.path}</span>
                </UnstyledButton>
              </Table.Td>
              <Table.Td>{entry.folder ? '' : formatBytes(entry.size, i18n.locale)}</Table.Td>
              <Table.Td className={classes.wide}>
                {entry.modified_at === undefined ? '' : date(entry.modified_at)}
              </Table.Td>
              <Table.Td>
                <ActionIcon aria-label={t`Download ${entry.path}`} onClick={() => onDownload(entry)}>
                  <IconDownload size={18} />
                </ActionIcon>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      {listing.more && (
        <Text c="dimmed" size="sm">
          <Trans>There is more than is shown here. Search for what you miss.</Trans>
        </Text>
      )}
    </>
  );
}

/** Folders before files, whatever they are sorted by. */
function sorted(entries: FolderEntry[], by: Column, down: boolean, locale: string): FolderEntry[] {
  const names = new Intl.Collator(locale, { numeric: true });
  const compare = (a: FolderEntry, b: FolderEntry) =>
    by === 'path' ? names.compare(a.path, b.path) : (a[by] ?? 0) - (b[by] ?? 0);
  return entries.toSorted(
    (a, b) =>
      Number(b.folder) - Number(a.folder) || (down ? -1 : 1) * compare(a, b) || names.compare(a.path, b.path),
  );
}
