// What else can be done with a terminal.

import { Trans, useLingui } from '@lingui/react/macro';
import { ActionIcon, Menu, Text } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import {
  IconArrowsMaximize,
  IconArrowsMinimize,
  IconCopy,
  IconDots,
  IconPlayerPlay,
  IconSearch,
} from '@tabler/icons-react';
import { useEffect, useRef, useState } from 'react';
import { useMesh } from '../../app/mesh';
import { isMac } from '../../lib/shortcuts';
import { searchKeys } from '../../lib/terminalShortcuts';
import type { TerminalView } from '../../state/terminalStore';
import classes from './terminal.module.css';
import { useTerminals } from './useTerminals';

interface Props {
  terminal: TerminalView;
  full: boolean;
  onFull: (full: boolean) => void;
  onSearch: () => void;
  onPlay: () => void;
}

export function TerminalMenu({ terminal, full, onFull, onSearch, onPlay }: Props) {
  const { t } = useLingui();
  const mesh = useMesh();
  const terminals = useTerminals();
  const screen = terminals.screen(terminal.sessionId);
  const [opened, setOpened] = useState(false);
  // What takes the focus, once the menu has given it back.
  const afterwards = useRef<() => void>(undefined);
  const [reader, setReader] = useState(screen?.readerMode ?? false);
  const [follow, setFollow] = useState(false);
  const held = terminal.control === 'held';

  // The right to resize goes with control.
  useEffect(() => {
    if (!held) setFollow(false);
  }, [held]);

  async function copy() {
    const copied = await screen?.copy();
    notifications.show({
      message: copied ? t`Copied.` : t`The browser did not allow it. Select the text, then copy it.`,
      ...(copied ? {} : { color: 'red' }),
    });
  }

  return (
    <Menu
      opened={opened}
      onChange={setOpened}
      position="bottom-end"
      withinPortal
      // Its stand-in for the first item is nothing that a menu may contain.
      withInitialFocusPlaceholder={false}
      onExitTransitionEnd={() => {
        afterwards.current?.();
        afterwards.current = undefined;
      }}
    >
      <Menu.Target>
        <ActionIcon className={classes.more} aria-label={t`More about this terminal`}>
          <IconDots size={18} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item
          leftSection={<IconSearch size={16} aria-hidden="true" />}
          rightSection={
            <Text span size="xs" c="inherit">
              {searchKeys(isMac(navigator.userAgent)).join(' + ')}
            </Text>
          }
          onClick={() => {
            afterwards.current = onSearch;
          }}
        >
          <Trans>Search</Trans>
        </Menu.Item>
        <Menu.Item leftSection={<IconCopy size={16} aria-hidden="true" />} onClick={() => void copy()}>
          {opened && screen?.selected ? (
            <Trans>Copy the selection</Trans>
          ) : (
            <Trans>Copy what is in sight</Trans>
          )}
        </Menu.Item>
        <Menu.Item
          leftSection={
            full ? (
              <IconArrowsMinimize size={16} aria-hidden="true" />
            ) : (
              <IconArrowsMaximize size={16} aria-hidden="true" />
            )
          }
          onClick={() => onFull(!full)}
        >
          {full ? <Trans>Leave the full screen</Trans> : <Trans>Full screen</Trans>}
        </Menu.Item>
        <Menu.Item leftSection={<IconPlayerPlay size={16} aria-hidden="true" />} onClick={onPlay}>
          <Trans>Play a recording…</Trans>
        </Menu.Item>
        <Menu.Divider />
        <Menu.CheckboxItem
          closeMenuOnClick
          checked={follow}
          disabled={!held}
          onChange={(on: boolean) => {
            setFollow(on);
            screen?.setFollowWindow(on);
          }}
        >
          {held ? (
            <Trans>Fit the shell to my window</Trans>
          ) : (
            <Trans>Fit the shell to my window (needs control)</Trans>
          )}
        </Menu.CheckboxItem>
        <Menu.CheckboxItem
          closeMenuOnClick
          checked={reader}
          onChange={(on: boolean) => {
            setReader(on);
            screen?.setReaderMode(on);
          }}
        >
          <Trans>Screen reader mode</Trans>
        </Menu.CheckboxItem>
        {terminal.mayDecide && (
          <Menu.CheckboxItem
            closeMenuOnClick
            checked={terminal.decides === 'yes'}
            disabled={terminal.decides === 'asking'}
            onChange={(on: boolean) => terminals.decide(terminal.sessionId, on)}
          >
            <Trans>Decide here who watches and types</Trans>
          </Menu.CheckboxItem>
        )}
        <Menu.Divider />
        <Menu.Item className={classes.danger} onClick={() => mesh.terminalLoader.close(terminal.sessionId)}>
          <Trans>Stop watching</Trans>
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
