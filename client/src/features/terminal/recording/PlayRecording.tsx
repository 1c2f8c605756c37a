// A recording from the disk of whoever sits here. It stays in this page: nothing is sent.

import { Trans, useLingui } from '@lingui/react/macro';
import { Button, FileButton, Group, Modal, Stack, Text } from '@mantine/core';
import { useMediaQuery } from '@mantine/hooks';
import { IconFolderOpen } from '@tabler/icons-react';
import { useState } from 'react';
import { Problem } from '../../../ui/Problem';
import { NARROW } from '../../rooms/Shell';
import { Words } from '../words';
import { Recording } from './Recording';

/** It is kept in memory, and gone through from its beginning where somebody goes back in it. */
const MAX_BYTES = 64 * 1024 * 1024;

export function PlayRecording({ onClose }: { onClose: () => void }) {
  return (
    <Words>
      <Dialog onClose={onClose} />
    </Words>
  );
}

function Dialog({ onClose }: { onClose: () => void }) {
  const { t } = useLingui();
  const narrow = useMediaQuery(NARROW, window.matchMedia(NARROW).matches, { getInitialValueInEffect: false });
  const [chosen, setChosen] = useState<{ name: string; text: string }>();
  const [problem, setProblem] = useState(false);

  async function choose(file: File | null) {
    if (!file) return;
    setProblem(file.size > MAX_BYTES);
    setChosen(file.size > MAX_BYTES ? undefined : { name: file.name, text: await file.text() });
  }

  return (
    <Modal
      opened
      onClose={onClose}
      size="xl"
      fullScreen={narrow}
      title={chosen?.name ?? <Trans>Play a recording</Trans>}
      closeButtonProps={{ 'aria-label': t`Close` }}
    >
      <Stack gap="sm">
        {problem && (
          <Problem>
            <Trans>Recordings of up to 64 MiB can be played here.</Trans>
          </Problem>
        )}
        {chosen ? (
          <Recording key={chosen.name} text={chosen.text} />
        ) : (
          <Text size="sm" c="dimmed">
            <Trans>
              Choose an asciicast file (.cast), as mesh share terminal --record writes it. It stays on this
              device.
            </Trans>
          </Text>
        )}
        <Group justify="flex-end">
          <FileButton accept=".cast,application/x-asciicast" onChange={(file) => void choose(file)}>
            {(props) => (
              <Button
                {...props}
                variant={chosen ? 'default' : 'filled'}
                leftSection={<IconFolderOpen size={16} aria-hidden="true" />}
              >
                {chosen ? <Trans>Choose another one</Trans> : <Trans>Choose a file</Trans>}
              </Button>
            )}
          </FileButton>
        </Group>
      </Stack>
    </Modal>
  );
}
