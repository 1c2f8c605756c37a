// One terminal: its state in a bar that always says who watches and who controls, and the screen.

import { Trans, useLingui } from '@lingui/react/macro';
import { Button, Code, Group, Loader, Stack, Text } from '@mantine/core';
import { IconPlugConnectedX, IconTerminal2 } from '@tabler/icons-react';
import { type KeyboardEvent, Suspense, useEffect, useId, useRef, useState } from 'react';
import { explain } from '../../app/failures';
import { useMesh } from '../../app/mesh';
import { isMac, leaveKeys, SHELL_KEYS } from '../../lib/shortcuts';
import { searchKeys, terminalKey } from '../../lib/terminalShortcuts';
import type { Peer, Share } from '../../protocol/signal';
import { rememberFront } from '../../state/terminalMemory';
import { asItIs, isAway } from '../../state/terminalReturn';
import { nameOf, patchTerminal, type TerminalView } from '../../state/terminalStore';
import { EmptyState } from '../../ui/EmptyState';
import { lazyPart } from '../../ui/lazyPart';
import { KeyBar } from './KeyBar';
import { LinkDialog } from './LinkDialog';
import { Questions } from './Questions';
import { SearchBar } from './SearchBar';
import { StateBanner } from './StateBanner';
import { TerminalBar } from './TerminalBar';
import { TerminalMenu } from './TerminalMenu';
import classes from './terminal.module.css';
import { useFullScreen } from './useFullScreen';
import { useReturn } from './useReturn';
import { useTerminals } from './useTerminals';
import { Words } from './words';

const PlayRecording = lazyPart(() =>
  import('./recording/PlayRecording').then((module) => module.PlayRecording),
);

interface Props {
  terminal: TerminalView;
  /** The machine, as it is in the room now. */
  machine: Peer | undefined;
  /** The share that was chosen, as it is in the room now. */
  share: Share | undefined;
  visible: boolean;
}

export function TerminalPane(props: Props) {
  return (
    <Words>
      <Pane {...props} />
    </Words>
  );
}

function Pane({ terminal: told, machine, share, visible }: Props) {
  const terminal = asItIs(told, machine);
  const { t, i18n } = useLingui();
  const mesh = useMesh();
  const terminals = useTerminals();
  const holder = useRef<HTMLDivElement>(null);
  const { sessionId, phase } = terminal;
  const deviceName = nameOf(terminal);
  const bar = useRef<HTMLDivElement>(null);
  const questions = useRef<HTMLElement>(null);
  const searchField = useRef<HTMLInputElement>(null);
  const [searching, setSearching] = useState(false);
  const [playing, setPlaying] = useState(false);
  const [full, setFull] = useFullScreen();
  const helpId = useId();
  const held = terminal.control === 'held';
  const mac = isMac(navigator.userAgent);
  const [first, second, third] = leaveKeys(mac);
  const find = searchKeys(mac).join(' + ');
  const started = terminal.seen;
  const again = () => machine && terminals.again(sessionId, machine, share, false);
  useReturn(terminal, machine, share);

  useEffect(() => {
    const container = holder.current;
    const screen = terminals.screen(sessionId);
    if (!container || !screen || !started) return;
    void screen.attach(container);
    const observer = new ResizeObserver(() => screen.fitFont());
    observer.observe(container);
    return () => {
      observer.disconnect();
      screen.detach();
    };
  }, [terminals, sessionId, started]);

  useEffect(() => {
    rememberFront(sessionId, visible);
    if (visible) terminals.screen(sessionId)?.expectFocus();
    else setFull(false);
  }, [terminals, sessionId, visible, setFull]);

  useEffect(() => {
    if (visible && started) terminals.screen(sessionId)?.takeFocus();
  }, [terminals, sessionId, started, visible]);

  useEffect(() => {
    if (!started) return;
    terminals.screen(sessionId)?.describe({ label: t`Terminal input`, describedBy: helpId });
  }, [terminals, sessionId, started, helpId, t]);

  function search() {
    if (searching) searchField.current?.select();
    else setSearching(true);
  }

  /** On the way down: xterm would send these keys to the shell. */
  function onKey(event: KeyboardEvent) {
    if (event.nativeEvent.isComposing) return;
    const screen = terminals.screen(sessionId);
    const { selected = false, fullScreenProgram = false } = screen ?? {};
    const key = terminalKey(event, { mac, held, selected, fullScreenProgram });
    if (!key) return;
    event.stopPropagation();
    if (key === 'tab') return;
    event.preventDefault();
    if (key === 'bar')
      (questions.current ?? bar.current)?.querySelector<HTMLElement>('button:not(:disabled)')?.focus();
    else if (key === 'search') search();
    else if (selected) void screen?.copy();
  }

  return (
    <section className={classes.pane} data-full={full || undefined} aria-label={t`Terminal of ${deviceName}`}>
      {started && (
        <TerminalBar
          ref={bar}
          terminal={terminal}
          machineThere={machine !== undefined}
          onAgain={again}
          menu={
            <TerminalMenu
              terminal={terminal}
              full={full}
              onFull={setFull}
              onSearch={search}
              onPlay={() => setPlaying(true)}
            />
          }
        />
      )}
      {started && <StateBanner terminal={terminal} machineThere={machine !== undefined} />}
      {started && searching && (
        <SearchBar
          ref={searchField}
          sessionId={sessionId}
          onClose={() => {
            setSearching(false);
            terminals.screen(sessionId)?.focus();
          }}
        />
      )}
      <div className={classes.stage} data-live={started || undefined}>
        {started && (
          <div
            className={classes.screen}
            ref={holder}
            data-stale={phase !== 'live' || terminal.paused || undefined}
            onKeyDownCapture={onKey}
            data-testid="terminal-screen"
            {...(held ? SHELL_KEYS : {})}
          />
        )}
        <Questions
          ref={questions}
          terminal={terminal}
          visible={visible}
          onDone={() => {
            if (visible) terminals.screen(sessionId)?.focus();
          }}
        />
        {started && (
          <p id={helpId} hidden>
            {held ? (
              <Trans>
                Every key goes to the shell, Tab too. {first} + {second} + {third} leads to the bar above,{' '}
                {find} searches.
              </Trans>
            ) : (
              <Trans>You only watch: no key goes to the shell. Tab leads on.</Trans>
            )}
          </p>
        )}
        {phase === 'asking' && !started && (
          <EmptyState
            icon={<IconTerminal2 size={26} />}
            title={<Trans>Asking {deviceName} for its terminal</Trans>}
          >
            <Stack gap="sm" align="center" role="status">
              <Text size="sm" c="dimmed" maw={420}>
                <Trans>Somebody at that machine has to say yes. The question stands there now.</Trans>
              </Text>
              <Loader type="dots" aria-hidden="true" />
              <Button variant="default" size="sm" onClick={() => mesh.terminalLoader.close(sessionId)}>
                <Trans>Cancel</Trans>
              </Button>
            </Stack>
          </EmptyState>
        )}
        {phase === 'connecting' && !started && (
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
            {isAway(terminal.end?.code) && (
              <Text size="sm" c="dimmed" maw={440}>
                <Trans>It goes on by itself as soon as {deviceName} is back.</Trans>
              </Text>
            )}
            {terminal.end?.code === 'unsupported' && <Code>mesh share terminal</Code>}
            <Group gap="xs" justify="center">
              <Button variant="default" size="sm" onClick={() => mesh.terminalLoader.close(sessionId)}>
                <Trans>Close</Trans>
              </Button>
              {machine && (
                <Button size="sm" onClick={again}>
                  <Trans>Ask again</Trans>
                </Button>
              )}
            </Group>
          </EmptyState>
        )}
      </div>
      {phase === 'live' && held && <KeyBar sessionId={sessionId} />}
      {terminal.link && (
        <LinkDialog
          address={terminal.link}
          onClose={() => patchTerminal(mesh.terminals, sessionId, { link: undefined })}
        />
      )}
      {playing && (
        <Suspense>
          <PlayRecording onClose={() => setPlaying(false)} />
        </Suspense>
      )}
    </section>
  );
}
