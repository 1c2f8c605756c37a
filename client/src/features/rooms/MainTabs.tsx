import { Trans, useLingui } from '@lingui/react/macro';
import { ActionIcon, UnstyledButton } from '@mantine/core';
import { IconMessage, IconTerminal2, IconX } from '@tabler/icons-react';
import { type KeyboardEvent, useRef } from 'react';
import { useMesh } from '../../app/mesh';
import { nameOf } from '../../state/terminalStore';
import { panelId, type TabsProps, tabId } from './RoomTabs';
import classes from './rooms.module.css';

/**
 * Chat and open terminals, on a wide screen. A list of tabs holds nothing but tabs: what
 * closes one stands in a group of its own, and only looks as if it were within.
 */
export function MainTabs({ terminals, view, onView, onNone }: TabsProps & { onNone: () => void }) {
  const { t } = useLingui();
  const mesh = useMesh();
  const list = useRef<HTMLDivElement>(null);

  const all = () => [...(list.current?.children ?? [])] as HTMLElement[];

  /** The focus goes to the next tab, or to the one before. */
  function close(index: number) {
    const terminal = terminals[index];
    if (!terminal) return;
    const tabs = all();
    (tabs[index + 2] ?? tabs[index])?.focus();
    if (terminals.length === 1) onNone();
    mesh.terminalLoader.close(terminal.sessionId);
  }

  function onKey(event: KeyboardEvent) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const tabs = all();
    const at = tabs.indexOf(event.target as HTMLElement);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to !== undefined) tabs.at(to % tabs.length)?.focus();
    else if (event.key === 'Delete') close(at - 1);
    else return;
    event.preventDefault();
  }

  return (
    <div className={classes.tabs}>
      <div
        className={classes.tabList}
        role="tablist"
        aria-label={t`In this room`}
        ref={list}
        onKeyDown={onKey}
      >
        <UnstyledButton
          role="tab"
          id={tabId('chat')}
          className={classes.tab}
          aria-selected={view.kind === 'chat'}
          aria-controls={panelId('chat')}
          aria-keyshortcuts="Alt+1"
          tabIndex={view.kind === 'chat' ? 0 : -1}
          onClick={() => onView({ kind: 'chat' })}
        >
          <IconMessage size={16} aria-hidden="true" />
          <Trans>Chat</Trans>
        </UnstyledButton>
        {terminals.map((terminal, index) => {
          const selected = view.kind === 'terminal' && view.sessionId === terminal.sessionId;
          return (
            <UnstyledButton
              key={terminal.sessionId}
              role="tab"
              id={tabId(terminal.sessionId)}
              className={classes.tab}
              style={{ order: 2 * index + 1 }}
              aria-selected={selected}
              aria-controls={panelId(terminal.sessionId)}
              aria-keyshortcuts={index < 8 ? `Alt+${index + 2} Delete` : 'Delete'}
              tabIndex={selected ? 0 : -1}
              onClick={() => onView({ kind: 'terminal', sessionId: terminal.sessionId })}
            >
              <IconTerminal2 size={16} aria-hidden="true" />
              <span className={classes.truncate}>{nameOf(terminal)}</span>
              <span className={classes.phase} data-phase={terminal.phase} aria-hidden="true" />
            </UnstyledButton>
          );
        })}
      </div>
      {terminals.map((terminal, index) => (
        <ActionIcon
          key={terminal.sessionId}
          size="xs"
          className={classes.closeTab}
          style={{ order: 2 * index + 2 }}
          aria-label={t`Close the terminal of ${nameOf(terminal)}`}
          onClick={() => close(index)}
        >
          <IconX size={13} />
        </ActionIcon>
      ))}
    </div>
  );
}
