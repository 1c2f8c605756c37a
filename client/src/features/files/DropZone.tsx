import { Trans, useLingui } from '@lingui/react/macro';
import { Text } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { IconFileArrowRight } from '@tabler/icons-react';
import { type DragEvent, type ReactNode, useRef, useState } from 'react';
import classes from './files.module.css';

/** The whole room takes dropped files. */
export function DropZone({
  onFiles,
  enabled,
  children,
}: {
  onFiles: (files: File[]) => void;
  enabled: boolean;
  children: ReactNode;
}) {
  const { t } = useLingui();
  const [over, setOver] = useState(false);
  const depth = useRef(0);

  const carriesFiles = (event: DragEvent) => event.dataTransfer.types.includes('Files');

  function drop(event: DragEvent) {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth.current = 0;
    setOver(false);
    // A dropped folder has no content of its own here; it must not become an empty file.
    const files = [...event.dataTransfer.items]
      .filter((item) => item.kind === 'file' && !item.webkitGetAsEntry?.()?.isDirectory)
      .flatMap((item) => item.getAsFile() ?? []);
    const folders = event.dataTransfer.items.length - files.length;
    if (folders > 0)
      notifications.show({
        color: 'orange',
        message: t`Folders cannot be sent from this page. Choose the files in it instead.`,
        withBorder: true,
      });
    if (files.length > 0) take(files);
  }

  function take(files: File[]) {
    if (enabled) onFiles(files);
    else
      notifications.show({
        color: 'orange',
        message: t`Nobody is here who could receive a file.`,
        withBorder: true,
      });
  }

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: dropping is an extra; the button "Send files" does the same
    <div
      className={classes.dropZone}
      onDragEnter={(event) => {
        if (!carriesFiles(event)) return;
        depth.current++;
        setOver(true);
      }}
      onDragLeave={(event) => {
        if (!carriesFiles(event)) return;
        depth.current = Math.max(0, depth.current - 1);
        if (depth.current === 0) setOver(false);
      }}
      onDragOver={(event) => {
        if (!carriesFiles(event)) return;
        event.preventDefault();
        event.dataTransfer.dropEffect = enabled ? 'copy' : 'none';
      }}
      onDrop={drop}
      onPaste={(event) => {
        const files = [...event.clipboardData.files];
        if (files.length === 0) return;
        event.preventDefault();
        take(files);
      }}
      data-testid="drop-zone"
    >
      {children}
      {over && (
        <div className={classes.overlay} aria-hidden="true">
          <IconFileArrowRight size={40} stroke={1.5} />
          <Text fw={620}>
            {enabled ? <Trans>Drop to send</Trans> : <Trans>Nobody is here to receive it</Trans>}
          </Text>
        </div>
      )}
    </div>
  );
}
