import { Trans, useLingui } from '@lingui/react/macro';
import { Indicator, UnstyledButton } from '@mantine/core';
import { IconArrowsUpDown, IconMessage, IconTerminal2, IconUsers } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { useStore } from 'zustand';
import { useMesh } from '../../app/mesh';
import type { TerminalView } from '../../state/terminalStore';
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

/** Names of a tab and of what it leads to, for each other. */
export const tabId = (view: string) => `tab-${view}`;
export const panelId = (view: string) => `panel-${view}`;

export interface TabsProps {
  terminals: TerminalView[];
  view: View;
  onView: (view: View) => void;
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
