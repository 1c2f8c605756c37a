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
  onFiles: (dropped: (FileSystemEntry | File)[]) => void;
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
    // The browser forgets its items after the event: entries can be walked later.
    const dropped = [...event.dataTransfer.items]
      .filter((item) => item.kind === 'file')
      .flatMap((item) => item.webkitGetAsEntry?.() ?? item.getAsFile() ?? []);
    if (dropped.length > 0) take(dropped);
  }

  function take(files: (FileSystemEntry | File)[]) {
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
