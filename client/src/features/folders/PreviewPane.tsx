// How a file looks: text as text, images as images, a terminal's recording played, from memory. Nothing of a shared folder is ever run or opened as a page.

import { Trans, useLingui } from '@lingui/react/macro';
import { Loader, Modal, Text } from '@mantine/core';
import { useMediaQuery } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { Suspense, useEffect, useState } from 'react';
import { lazyPart } from '../../ui/lazyPart';
import { NARROW } from '../rooms/Shell';
import type { FolderBrowser } from './browser';
import classes from './folders.module.css';

const Recording = lazyPart(() =>
  import('../terminal/recording/Recording').then((module) => module.Recording),
);
const RECORDING = 'application/x-asciicast';
const IMAGES = ['image/png', 'image/jpeg', 'image/gif', 'image/webp'];

interface Props {
  browser: FolderBrowser;
  queryKey: string[];
  path: string;
  onClose: () => void;
}

export function PreviewPane({ browser, queryKey, path, onClose }: Props) {
  const { t } = useLingui();
  const name = path.split('/').at(-1) ?? path;
  const preview = useQuery({
    queryKey: [...queryKey, 'preview', path],
    queryFn: async () => {
      const { content, mediaType, more } = await browser.preview(path);
      const image = IMAGES.includes(mediaType);
      const recording = mediaType === RECORDING;
      return { content, image, recording, more, text: image ? '' : await content.text() };
    },
    retry: false,
    gcTime: 0,
  });
  const narrow = useMediaQuery(NARROW, window.matchMedia(NARROW).matches, { getInitialValueInEffect: false });
  const address = useAddress(preview.data?.image ? preview.data.content : undefined);
  return (
    <Modal
      opened
      onClose={onClose}
      title={name}
      size="xl"
      fullScreen={narrow && preview.data?.recording === true}
      closeButtonProps={{ 'aria-label': t`Close the preview` }}
    >
      {preview.isPending && <Loader size="sm" aria-label={t`Loading`} />}
      {preview.isError && (
        <Text>
          <Trans>This file cannot be shown here. Download it instead.</Trans>
        </Text>
      )}
      {address && <img className={classes.image} src={address} alt={name} />}
      {preview.data?.recording && (
        <Suspense fallback={<Loader size="sm" aria-label={t`Loading`} />}>
          <Recording text={preview.data.text} />
        </Suspense>
      )}
      {preview.data && !preview.data.image && !preview.data.recording && (
        <pre className={classes.text} tabIndex={0}>
          {preview.data.text}
        </pre>
      )}
      {preview.data?.more && (
        <Text c="dimmed" size="sm">
          <Trans>The file is longer than this.</Trans>
        </Text>
      )}
    </Modal>
  );
}

/** The address of what is in memory, for as long as it is shown. */
function useAddress(content: Blob | undefined): string | undefined {
  const [address, setAddress] = useState<string>();
  useEffect(() => {
    if (!content) return;
    const made = URL.createObjectURL(content);
    setAddress(made);
    return () => {
      URL.revokeObjectURL(made);
      setAddress(undefined);
    };
  }, [content]);
  return address;
}
