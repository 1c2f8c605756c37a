// One shared folder: where one is in it, what stands there, as it is now; on a phone it fills the screen.

import { Trans, useLingui } from '@lingui/react/macro';
import { Anchor, Breadcrumbs, Button, FileButton, Loader, Modal, Text, TextInput } from '@mantine/core';
import { useDebouncedValue, useMediaQuery } from '@mantine/hooks';
import { IconDownload, IconSearch, IconUpload } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { explain } from '../../app/failures';
import { useMesh } from '../../app/mesh';
import { capacity, chooseSink, PickCancelled } from '../../lib/transfer/sink';
import type { FolderEntry } from '../../protocol/frames';
import type { Share } from '../../protocol/generated/Share';
import { Problem } from '../../ui/Problem';
import { NARROW } from '../rooms/Shell';
import { FolderBrowser, FolderFailure } from './browser';
import { Entries } from './Entries';
import type { Failure } from './folderLink';
import classes from './folders.module.css';
import { MoveList, useMoves } from './MoveList';
import { PreviewPane } from './PreviewPane';

const SEARCH_AFTER_MS = 250;

interface Props {
  roomId: string;
  share: Share;
  /** Whether the room still has it. */
  shared: boolean;
  onClose: () => void;
}

export function FolderPane({ roomId, share, shared, onClose }: Props) {
  const { t, i18n } = useLingui();
  const mesh = useMesh();
  const queries = useQueryClient();
  const narrow = useMediaQuery(NARROW, window.matchMedia(NARROW).matches, { getInitialValueInEffect: false });
  const [browser, setBrowser] = useState<FolderBrowser>();
  const [drop, setDrop] = useState<boolean>();
  const [end, setEnd] = useState<Failure>();
  const [path, setPath] = useState('');
  const [typed, setTyped] = useState('');
  const [search] = useDebouncedValue(typed.trim(), SEARCH_AFTER_MS);
  const [shown, setShown] = useState<string>();
  const moves = useMoves();
  const queryKey = ['folder', roomId, share.share_id];

  // biome-ignore lint/correctness/useExhaustiveDependencies: one session for one share
  useEffect(() => {
    const opened = new FolderBrowser(mesh, roomId, share, {
      opened: setDrop,
      changed: () => void queries.invalidateQueries({ queryKey }),
      end: setEnd,
    });
    setBrowser(opened);
    return () => {
      opened.close();
      queries.removeQueries({ queryKey });
    };
  }, [mesh, roomId, share.share_id]);

  const ready = browser !== undefined && drop !== undefined && end === undefined;
  const listing = useQuery({
    queryKey: [...queryKey, path, search],
    queryFn: () =>
      (search ? browser?.search(path, search) : browser?.list(path)) ?? { entries: [], more: false },
    enabled: ready,
    retry: false,
    staleTime: 0,
  });
  const failure = listing.error instanceof FolderFailure ? listing.error : undefined;
  const over = end ?? (shared ? undefined : { code: 'STOPPED', detail: '' });

  const download = async (entry: FolderEntry | undefined, place: string) => {
    const name = place.split('/').at(-1) || share.label;
    const folder = entry?.folder ?? true;
    const offer = {
      name,
      size: entry?.size ?? 0,
      count: folder ? Number.MAX_SAFE_INTEGER : 1,
      folders: folder,
    };
    try {
      const sink = await chooseSink(offer, await capacity());
      moves.pull(mesh, roomId, share, [place], sink, name);
    } catch (error) {
      if (!(error instanceof PickCancelled)) throw error;
    }
  };

  return (
    <Modal
      opened
      onClose={onClose}
      title={share.label}
      size="xl"
      fullScreen={narrow}
      closeButtonProps={{ 'aria-label': t`Close the folder` }}
    >
      {over ? (
        <Problem>{explain(i18n, over)}</Problem>
      ) : (
        <div className={classes.pane}>
          <div className={classes.bar}>
            {path && (
              <Breadcrumbs aria-label={t`Where you are`} separatorMargin={6}>
                {['', ...path.split('/').filter(Boolean)].map((part, depth, parts) => {
                  const to = parts.slice(1, depth + 1).join('/');
                  const go = () => {
                    setTyped('');
                    setPath(to);
                  };
                  return depth === parts.length - 1 ? (
                    <Text key={to} fw={600} aria-current="location">
                      {part || share.label}
                    </Text>
                  ) : (
                    <Anchor key={to} component="button" type="button" onClick={go}>
                      {part || share.label}
                    </Anchor>
                  );
                })}
              </Breadcrumbs>
            )}
            <span className={classes.grow} />
            {drop && (
              <FileButton multiple onChange={(files) => moves.put(mesh, roomId, share, path, files)}>
                {(props) => (
                  <Button {...props} size="xs" variant="light" leftSection={<IconUpload size={16} />}>
                    <Trans>Put files here</Trans>
                  </Button>
                )}
              </FileButton>
            )}
            <Button
              size="xs"
              variant="default"
              leftSection={<IconDownload size={16} />}
              onClick={() => void download(undefined, path)}
            >
              <Trans>Download all</Trans>
            </Button>
          </div>
          <TextInput
            type="search"
            aria-label={t`Search in this folder`}
            placeholder={t`Search in this folder`}
            leftSection={<IconSearch size={16} />}
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
          />
          {failure && <Problem>{explain(i18n, { code: failure.code, detail: failure.message })}</Problem>}
          {!listing.data && !failure && <Loader size="sm" aria-label={t`Loading`} />}
          {listing.data && (
            <Entries
              listing={listing.data}
              searched={search !== ''}
              onOpen={(entry) => {
                const to = joined(path, entry.path);
                if (entry.folder) {
                  setTyped('');
                  setPath(to);
                } else setShown(to);
              }}
              onDownload={(entry) => void download(entry, joined(path, entry.path))}
            />
          )}
          <MoveList moves={moves.moves} />
        </div>
      )}
      {browser && shown !== undefined && !over && (
        <PreviewPane browser={browser} queryKey={queryKey} path={shown} onClose={() => setShown(undefined)} />
      )}
    </Modal>
  );
}

function joined(folder: string, name: string): string {
  return folder ? `${folder}/${name}` : name;
}
