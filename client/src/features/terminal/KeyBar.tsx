import { useLingui } from '@lingui/react/macro';
import { UnstyledButton } from '@mantine/core';
import { IconArrowDown, IconArrowLeft, IconArrowRight, IconArrowUp } from '@tabler/icons-react';
import { type ReactNode, useState } from 'react';
import { useMesh } from '../../app/mesh';
import classes from './terminal.module.css';

/** The keys that a phone's keyboard lacks. */
export function KeyBar({ sessionId }: { sessionId: string }) {
  const { t } = useLingui();
  const mesh = useMesh();
  const [ctrl, setCtrl] = useState(false);
  const screen = mesh.terminalActions.screen(sessionId);
  const keys: [label: ReactNode, name: string, sequence: string][] = [
    ['Esc', t`Escape`, '\x1b'],
    ['Tab', t`Tab`, '\t'],
    [<IconArrowUp key="up" size={16} />, t`Arrow up`, '\x1b[A'],
    [<IconArrowDown key="down" size={16} />, t`Arrow down`, '\x1b[B'],
    [<IconArrowLeft key="left" size={16} />, t`Arrow left`, '\x1b[D'],
    [<IconArrowRight key="right" size={16} />, t`Arrow right`, '\x1b[C'],
    ['^C', t`Interrupt`, '\x03'],
    ['|', t`Pipe`, '|'],
    ['~', t`Tilde`, '~'],
    ['/', t`Slash`, '/'],
  ];
  function toggleCtrl() {
    const armed = !ctrl;
    setCtrl(armed);
    screen?.armCtrl(armed ? () => setCtrl(false) : undefined);
    screen?.focus();
  }
  return (
    <div className={classes.keys} role="toolbar" aria-label={t`Keys`}>
      <UnstyledButton
        className={classes.key}
        aria-pressed={ctrl}
        onPointerDown={(event) => event.preventDefault()}
        onClick={toggleCtrl}
      >
        Ctrl
      </UnstyledButton>
      {keys.map(([label, name, sequence]) => (
        <UnstyledButton
          key={sequence}
          className={classes.key}
          aria-label={name}
          // The terminal keeps the focus, and with it the phone keeps its keyboard.
          onPointerDown={(event) => event.preventDefault()}
          onClick={() => screen?.input(sequence)}
        >
          {label}
        </UnstyledButton>
      ))}
    </div>
  );
}
