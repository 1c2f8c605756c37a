// One terminal: its state in a bar that always says who watches and who controls, and the screen.

import { Trans, useLingui } from '@lingui/react/macro';
import { Button, Code, Group, Loader, Stack, Text } from '@mantine/core';
import { IconPlugConnectedX, IconTerminal2 } from '@tabler/icons-react';
import { type KeyboardEvent, useEffect, useId, useRef } from 'react';
import { explain } from '../../app/failures';
import { useMesh } from '../../app/mesh';
import { isMac, leaveKeys, leavesTerminal, SHELL_KEYS } from '../../lib/shortcuts';
import type { TerminalView } from '../../state/terminalStore';
import { EmptyState } from '../../ui/EmptyState';
import { KeyBar } from './KeyBar';
import { TerminalBar } from './TerminalBar';
import classes from './terminal.module.css';

export function TerminalPane({
  terminal,
  visible,
  onAgain,
}: {
  terminal: TerminalView;
  visible: boolean;
  onAgain: () => void;
}) {
  const { t, i18n } = useLingui();
  const mesh = useMesh();
  const holder = useRef<HTMLDivElement>(null);
  const { sessionId, phase, deviceName } = terminal;
  const bar = useRef<HTMLDivElement>(null);
  const helpId = useId();
  const held = terminal.control === 'held';
  const mac = isMac(navigator.userAgent);
  const [first, second, third] = leaveKeys(mac);
  const started = phase === 'live' || (phase === 'ended' && terminal.end?.code === 'EXIT');

  useEffect(() => {
    const container = holder.current;
    const screen = mesh.terminalActions.screen(sessionId);
    if (!container || !screen || !started) return;
    void screen.attach(container);
    const observer = new ResizeObserver(() => screen.fitFont());
    observer.observe(container);
    return () => {
      observer.disconnect();
      screen.detach();
    };
  }, [mesh, sessionId, started]);

  useEffect(() => {
    if (visible) mesh.terminalActions.screen(sessionId)?.expectFocus();
  }, [mesh, sessionId, visible]);

  useEffect(() => {
    if (visible && started) mesh.terminalActions.screen(sessionId)?.takeFocus();
  }, [mesh, sessionId, started, visible]);

  useEffect(() => {
    mesh.terminalActions.screen(sessionId)?.describe({ label: t`Terminal input`, describedBy: helpId });
  }, [mesh, sessionId, helpId, t]);

  /** On the way down: xterm would send these keys to the shell. */
  function onKey(event: KeyboardEvent) {
    if (event.nativeEvent.isComposing) return;
    const leaves = leavesTerminal(event, { mac, held });
    if (!leaves) return;
    event.stopPropagation();
    if (leaves === 'tab') return;
    event.preventDefault();
    bar.current?.querySelector<HTMLElement>('button:not(:disabled)')?.focus();
  }

  return (
    <section className={classes.pane} aria-label={t`Terminal of ${deviceName}`}>
      {started && <TerminalBar ref={bar} terminal={terminal} onAgain={onAgain} />}
      <div className={classes.stage} data-live={started || undefined}>
        {started && (
          <div
            className={classes.screen}
            ref={holder}
            onKeyDownCapture={onKey}
            data-testid="terminal-screen"
            {...(held ? SHELL_KEYS : {})}
          />
        )}
        {started && (
          <p id={helpId} hidden>
            {held ? (
              <Trans>
                Every key goes to the shell, Tab too. {first} + {second} + {third} leads to the bar above.
              </Trans>
            ) : (
              <Trans>You only watch: no key goes to the shell. Tab leads on.</Trans>
            )}
          </p>
        )}
        {phase === 'asking' && (
          <EmptyState
            icon={<IconTerminal2 size={26} />}
            title={<Trans>Asking {deviceName} for its terminal</Trans>}
          >
            <Stack gap="sm" align="center" role="status">
              <Text size="sm" c="dimmed" maw={420}>
                <Trans>Somebody at that machine has to say yes. The question stands there now.</Trans>
              </Text>
              <Loader type="dots" aria-hidden="true" />
              <Button variant="default" size="sm" onClick={() => mesh.terminalActions.close(sessionId)}>
                <Trans>Cancel</Trans>
              </Button>
            </Stack>
          </EmptyState>
        )}
        {phase === 'connecting' && (
          <EmptyState icon={<IconTerminal2 size={26} />} title={<Trans>Connecting to {deviceName}</Trans>}>
            <Stack gap="sm" align="center" role="status">
              <Text size="sm" c="dimmed">
                <Trans>Allowed. The direct connection is being made.</Trans>
              </Text>
              <Loader type="dots" aria-hidden="true" />
            </Stack>
          </EmptyState>
        )}
        {phase === 'ended' && !started && (
          <EmptyState
            icon={<IconPlugConnectedX size={26} />}
            title={<Trans>The terminal of {deviceName} is closed</Trans>}
          >
            <Text size="sm" c="dimmed" maw={440} role="alert">
              {explain(i18n, terminal.end ?? { code: 'CONNECTION', detail: '' })}
            </Text>
            {terminal.end?.code === 'unsupported' && <Code>mesh share terminal</Code>}
            <Group gap="xs" justify="center">
              <Button variant="default" size="sm" onClick={() => mesh.terminalActions.close(sessionId)}>
                <Trans>Close</Trans>
              </Button>
              <Button size="sm" onClick={onAgain}>
                <Trans>Ask again</Trans>
              </Button>
            </Group>
          </EmptyState>
        )}
      </div>
      {phase === 'live' && held && <KeyBar sessionId={sessionId} />}
    </section>
  );
}
