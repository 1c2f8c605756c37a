// The keys that a phone's keyboard lacks. Ctrl and Alt are for the next key, or for all after two quick taps.

import { useLingui } from '@lingui/react/macro';
import { UnstyledButton } from '@mantine/core';
import { IconArrowDown, IconArrowLeft, IconArrowRight, IconArrowUp, IconLock } from '@tabler/icons-react';
import { type ReactNode, useEffect, useRef, useState } from 'react';
import { afterKey, type KeyName, type Sticky, tapped } from '../../lib/terminalKeys';
import classes from './terminal.module.css';
import { useTerminals } from './useTerminals';

type Modifier = 'ctrl' | 'alt';

export function KeyBar({ sessionId }: { sessionId: string }) {
  const { t } = useLingui();
  const screen = useTerminals().screen(sessionId);
  const [sticky, setSticky] = useState<Record<Modifier, Sticky>>({ ctrl: 'off', alt: 'off' });
  const lastTap = useRef({ ctrl: 0, alt: 0 });

  useEffect(() => {
    const held = { ctrl: sticky.ctrl !== 'off', alt: sticky.alt !== 'off' };
    screen?.setSticky(held, () =>
      setSticky(({ ctrl, alt }) => ({ ctrl: afterKey(ctrl), alt: afterKey(alt) })),
    );
    return () => screen?.setSticky({ ctrl: false, alt: false }, () => {});
  }, [screen, sticky]);

  function tap(modifier: Modifier) {
    const now = performance.now();
    const since = now - lastTap.current[modifier];
    lastTap.current[modifier] = now;
    setSticky((before) => ({ ...before, [modifier]: tapped(before[modifier], since) }));
    screen?.focus();
  }

  const press = (key: KeyName) => () => screen?.press(key);
  const input = (text: string) => () => screen?.input(text);
  const keys: [label: ReactNode, name: string, act: () => void][] = [
    ['Tab', t`Tab`, press('tab')],
    [<IconArrowUp key="up" size={18} />, t`Arrow up`, press('up')],
    [<IconArrowDown key="down" size={18} />, t`Arrow down`, press('down')],
    [<IconArrowLeft key="left" size={18} />, t`Arrow left`, press('left')],
    [<IconArrowRight key="right" size={18} />, t`Arrow right`, press('right')],
    ['^C', t`Interrupt`, input('\x03')],
    ['PgUp', t`Page up`, press('pageUp')],
    ['PgDn', t`Page down`, press('pageDown')],
    ['Home', t`Home`, press('home')],
    ['End', t`End`, press('end')],
    ['Del', t`Delete`, press('delete')],
    ['|', t`Pipe`, input('|')],
    ['~', t`Tilde`, input('~')],
    ['/', t`Slash`, input('/')],
    ['-', t`Hyphen`, input('-')],
  ];
  const modifier = (name: Modifier, label: string) => (
    <Key
      name={sticky[name] === 'locked' ? t`${label}, locked` : label}
      pressed={sticky[name] !== 'off'}
      onPress={() => tap(name)}
    >
      <span className={classes.modifier}>
        {label}
        {sticky[name] === 'locked' && <IconLock size={12} aria-hidden="true" />}
      </span>
    </Key>
  );
  return (
    <div className={classes.keys} role="toolbar" aria-label={t`Keys`}>
      <Key name={t`Escape`} onPress={press('escape')}>
        Esc
      </Key>
      {modifier('ctrl', 'Ctrl')}
      {modifier('alt', 'Alt')}
      {keys.map(([label, name, act]) => (
        <Key key={name} name={name} onPress={act}>
          {label}
        </Key>
      ))}
    </div>
  );
}

function Key({
  name,
  pressed,
  onPress,
  children,
}: {
  name: string;
  pressed?: boolean;
  onPress: () => void;
  children: ReactNode;
}) {
  return (
    <UnstyledButton
      className={classes.key}
      aria-label={name}
      aria-pressed={pressed}
      // The terminal keeps the focus, and with it the phone keeps its keyboard.
      onPointerDown={(event) => event.preventDefault()}
      onClick={onPress}
    >
      {children}
    </UnstyledButton>
  );
}
