import { Trans, useLingui } from '@lingui/react/macro';
import { ActionIcon, Button, Group, Popover, Stack, Text } from '@mantine/core';
import { IconArrowAutofitWidth, IconMinus, IconPlus, IconTextSize } from '@tabler/icons-react';
import { useReducer, useState } from 'react';
import { FONT_CHOSEN } from '../../lib/terminalZoom';
import classes from './terminal.module.css';
import { useTerminals } from './useTerminals';

/** Larger, smaller, or whatever fits. Two fingers on the terminal do the same. */
export function TextSize({ sessionId }: { sessionId: string }) {
  const { t } = useLingui();
  const terminals = useTerminals();
  const [opened, setOpened] = useState(false);
  // The screen knows its text; here it is only read again.
  const [, readAgain] = useReducer((count: number) => count + 1, 0);
  const screen = terminals.screen(sessionId);
  const font = Math.round(screen?.font ?? 0);
  function step(by: 1 | -1) {
    screen?.zoomBy(by);
    readAgain();
  }
  return (
    <Popover opened={opened} onChange={setOpened} position="bottom-end" withArrow trapFocus returnFocus>
      <Popover.Target>
        <ActionIcon
          className={classes.more}
          aria-label={t`Text size`}
          onClick={() => setOpened((was) => !was)}
        >
          <IconTextSize size={18} />
        </ActionIcon>
      </Popover.Target>
      <Popover.Dropdown p="xs">
        <Stack gap="xs">
          <Group gap="xs" justify="space-between" wrap="nowrap">
            <ActionIcon
              size={40}
              variant="default"
              aria-label={t`Smaller text`}
              disabled={font <= FONT_CHOSEN.min}
              onClick={() => step(-1)}
            >
              <IconMinus size={18} />
            </ActionIcon>
            <Text size="sm" className="numbers" role="status" aria-label={t`Text size`}>
              {font} px
            </Text>
            <ActionIcon
              size={40}
              variant="default"
              aria-label={t`Larger text`}
              disabled={font >= FONT_CHOSEN.max}
              onClick={() => step(1)}
            >
              <IconPlus size={18} />
            </ActionIcon>
          </Group>
          <Button
            h={40}
            size="sm"
            variant={screen?.fits ? 'light' : 'default'}
            aria-pressed={screen?.fits ?? false}
            leftSection={<IconArrowAutofitWidth size={18} />}
            onClick={() => {
              screen?.setFits(!screen.fits);
              readAgain();
            }}
          >
            <Trans>Show all columns</Trans>
          </Button>
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}
