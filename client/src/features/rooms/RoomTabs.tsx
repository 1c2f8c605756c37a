import { Trans, useLingui } from '@lingui/react/macro';
import { ActionIcon, Indicator, UnstyledButton } from '@mantine/core';
import { IconArrowsUpDown, IconMessage, IconTerminal2, IconUsers, IconX } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { useStore } from 'zustand';
import { useMesh } from '../../app/mesh';
import { nameOf, type TerminalView } from '../../state/terminalStore';
import { isOpen } from '../../state/transferStore';
import classes from './rooms.module.css';

export type View =
  | { kind: 'chat' }
  | { kind: 'people' }
  | { kind: 'files' }
  | { kind: 'terminal'; sessionId: string };

/** What the main tabs lead to, in their order: the order of Alt+1 to Alt+9. */
export function tabsOf(terminals: Pick<TerminalView, 'sessionId'>[]): View[] {
  return [{ kind: 'chat' }, ...terminals.map(({ sessionId }) => ({ kind: 'terminal' as const, sessionId }))];
}

interface TabsProps {
  terminals: TerminalView[];
  view: View;
  onView: (view: View) => void;
}

/** Chat and open terminals, on a wide screen. Hidden while there is only chat. */
export function MainTabs({ terminals, view, onView }: TabsProps) {
  const { t } = useLingui();
  const mesh = useMesh();
  if (terminals.length === 0) return null;
  return (
    <div className={classes.tabs} role="tablist" aria-label={t`In this room`}>
      <UnstyledButton
        role="tab"
        className={classes.tab}
        aria-selected={view.kind === 'chat'}
        aria-controls="panel-chat"
        aria-keyshortcuts="Alt+1"
        onClick={() => onView({ kind: 'chat' })}
      >
        <IconMessage size={16} aria-hidden="true" />
        <Trans>Chat</Trans>
      </UnstyledButton>
      {terminals.map((terminal, index) => {
        const selected = view.kind === 'terminal' && view.sessionId === terminal.sessionId;
        return (
          <div key={terminal.sessionId} className={classes.tabGroup} data-selected={selected || undefined}>
            <UnstyledButton
              role="tab"
              className={classes.tab}
              aria-selected={selected}
              aria-controls={`panel-${terminal.sessionId}`}
              aria-keyshortcuts={index < 8 ? `Alt+${index + 2}` : undefined}
              onClick={() => onView({ kind: 'terminal', sessionId: terminal.sessionId })}
            >
              <IconTerminal2 size={16} aria-hidden="true" />
              <span className={classes.truncate}>{nameOf(terminal)}</span>
              <span className={classes.phase} data-phase={terminal.phase} aria-hidden="true" />
            </UnstyledButton>
            <ActionIcon
              size="xs"
              aria-label={t`Close the terminal of ${nameOf(terminal)}`}
              onClick={() => mesh.terminalLoader.close(terminal.sessionId)}
            >
              <IconX size={13} />
            </ActionIcon>
          </div>
        );
      })}
    </div>
  );
}

/** The phone's way around a room. */
export function BottomTabs({ terminals, view, onView }: TabsProps) {
  const { t } = useLingui();
  const mesh = useMesh();
  const moving = useStore(mesh.transfers, (state) => Object.values(state.transfers).filter(isOpen).length);
  const latest = terminals.at(-1);
  const tab = (kind: View['kind'], target: View, icon: ReactNode, label: ReactNode, count = 0) => (
    <UnstyledButton
      className={classes.bottomTab}
      aria-current={view.kind === kind ? 'page' : undefined}
      onClick={() => onView(target)}
    >
      <Indicator label={count} disabled={count === 0} size={16} offset={2}>
        {icon}
      </Indicator>
      <span>{label}</span>
    </UnstyledButton>
  );
  return (
    <nav className={classes.bottomTabs} aria-label={t`In this room`}>
      {tab('chat', { kind: 'chat' }, <IconMessage size={21} aria-hidden="true" />, <Trans>Chat</Trans>)}
      {tab('people', { kind: 'people' }, <IconUsers size={21} aria-hidden="true" />, <Trans>People</Trans>)}
      {latest &&
        tab(
          'terminal',
          { kind: 'terminal', sessionId: latest.sessionId },
          <IconTerminal2 size={21} aria-hidden="true" />,
          <Trans>Terminals</Trans>,
        )}
      {tab(
        'files',
        { kind: 'files' },
        <IconArrowsUpDown size={21} aria-hidden="true" />,
        <Trans>Files</Trans>,
        moving,
      )}
    </nav>
  );
}
