import { useLingui } from '@lingui/react/macro';
import { UnstyledButton } from '@mantine/core';
import { useState } from 'react';
import { useMesh } from '../../app/mesh';
import classes from './terminal.module.css';

/** The keys that a phone's keyboard lacks. */
export function KeyBar({ sessionId }: { sessionId: string }) {
  const { t } = useLingui();
  const mesh = useMesh();
  const [ctrl, setCtrl] = useState(false);
  const screen = mesh.terminalActions.screen(sessionId);
  const keys: [label: string, name: string, sequence: string][] = [
    ['Esc', t`Escape`, '\x1b'],
    ['Tab', t`Tab`, '\t'],
    ['↑', t`Arrow up`, '\x1b[A'],
    ['↓', t`Arrow down`, '\x1b[B'],
    ['←', t`Arrow left`, '\x1b[D'],
    ['→', t`Arrow right`, '\x1b[C'],
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
          key={label}
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
