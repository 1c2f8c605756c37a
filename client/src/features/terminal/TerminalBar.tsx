import { Plural, Trans, useLingui } from '@lingui/react/macro';
import { ActionIcon, Button, Group, Menu, Text, Tooltip } from '@mantine/core';
import { IconDots, IconEye, IconKeyboard, IconLock } from '@tabler/icons-react';
import { type Ref, useEffect, useState } from 'react';
import { useMesh } from '../../app/mesh';
import type { TerminalView } from '../../state/terminalStore';
import { PathBadge } from '../../ui/PathBadge';
import { onRefusedInput } from './refusedInput';
import { TextSize } from './TextSize';
import classes from './terminal.module.css';

const NUDGE_MS = 1_200;

export function TerminalBar({
  ref,
  terminal,
  onAgain,
}: {
  ref: Ref<HTMLDivElement>;
  terminal: TerminalView;
  onAgain: () => void;
}) {
  const { t } = useLingui();
  const { sessionId, phase, control, viewers } = terminal;
  const nudged = useNudge(sessionId);
  const names = viewers.map((viewer) => viewer.name).join(', ');
  const mode = phase === 'ended' ? 'ended' : control === 'held' ? 'held' : 'view';
  return (
    <div ref={ref} className={classes.bar} data-mode={mode} data-nudged={nudged || undefined}>
      <div className={classes.mode} role="status">
        {mode === 'held' ? (
          <IconKeyboard size={17} aria-hidden="true" />
        ) : (
          <IconLock size={16} aria-hidden="true" />
        )}
        <Text span size="sm" fw={580} truncate>
          <Mode terminal={terminal} />
        </Text>
      </div>
      <div className={classes.facts}>
        {viewers.length > 0 && phase === 'live' && (
          <Tooltip label={names}>
            <Text span size="xs" className={classes.viewers} c="dimmed">
              <IconEye size={14} aria-hidden="true" />{' '}
              <Plural value={viewers.length} one="# viewer" other="# viewers" />
              <span className="visually-hidden">: {names}</span>
            </Text>
          </Tooltip>
        )}
        {phase === 'live' && <PathBadge path={terminal.path} />}
        <Text
          span
          size="xs"
          c="dimmed"
          className={`numbers ${classes.size}`}
          aria-label={t`Size in characters`}
        >
          {terminal.cols}×{terminal.rows}
        </Text>
      </div>
      <div className={classes.control}>
        <Control terminal={terminal} onAgain={onAgain} />
      </div>
      <TextSize sessionId={sessionId} />
      {phase === 'live' && <More terminal={terminal} />}
    </div>
  );
}

function Mode({ terminal }: { terminal: TerminalView }) {
  if (terminal.phase === 'ended') {
    const code = terminal.end?.exit;
    return code === undefined ? (
      <Trans>The shell has ended</Trans>
    ) : (
      <Trans>The shell has ended with code {code}</Trans>
    );
  }
  if (terminal.control === 'held') return <Trans>You control this terminal</Trans>;
  if (terminal.control === 'asking') return <Trans>Asking for control</Trans>;
  if (terminal.holder) return <Trans>View only · {terminal.holder.name} is in control</Trans>;
  if (terminal.control === 'denied') return <Trans>View only · control was not granted</Trans>;
  return <Trans>View only</Trans>;
}

function Control({ terminal, onAgain }: { terminal: TerminalView; onAgain: () => void }) {
  const mesh = useMesh();
  const { sessionId, phase, control } = terminal;
  if (phase === 'ended')
    return (
      <Group gap={8} wrap="nowrap">
        <Button size="xs" variant="default" onClick={() => mesh.terminalActions.close(sessionId)}>
          <Trans>Close</Trans>
        </Button>
        <Button size="xs" onClick={onAgain}>
          <Trans>Open again</Trans>
        </Button>
      </Group>
    );
  if (control === 'held')
    return (
      <Button size="xs" variant="default" onClick={() => void mesh.terminalActions.release(sessionId)}>
        <Trans>Give back control</Trans>
      </Button>
    );
  return (
    <Button
      size="xs"
      loading={control === 'asking'}
      loaderProps={{ type: 'dots' }}
      onClick={() => void mesh.terminalActions.askControl(sessionId)}
    >
      <Trans>Ask for control</Trans>
    </Button>
  );
}

function More({ terminal }: { terminal: TerminalView }) {
  const { t } = useLingui();
  const mesh = useMesh();
  const [reader, setReader] = useState(false);
  const [follow, setFollow] = useState(false);
  const screen = () => mesh.terminalActions.screen(terminal.sessionId);
  const held = terminal.control === 'held';

  // The right to resize goes with control.
  useEffect(() => {
    if (!held) setFollow(false);
  }, [held]);

  return (
    <Menu position="bottom-end" withinPortal>
      <Menu.Target>
        <ActionIcon className={classes.more} aria-label={t`More about this terminal`}>
          <IconDots size={18} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.CheckboxItem
          closeMenuOnClick
          checked={follow}
          disabled={!held}
          onChange={(on: boolean) => {
            setFollow(on);
            screen()?.setFollowWindow(on);
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
            screen()?.setScreenReaderMode(on);
          }}
        >
          <Trans>Screen reader mode</Trans>
        </Menu.CheckboxItem>
        <Menu.Divider />
        <Menu.Item color="red" onClick={() => mesh.terminalActions.close(terminal.sessionId)}>
          <Trans>Stop watching</Trans>
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

/** True for a moment after somebody typed without control. */
function useNudge(sessionId: string): boolean {
  const [nudged, setNudged] = useState(false);
  useEffect(() => {
    let timer: number | undefined;
    const off = onRefusedInput((refused) => {
      if (refused !== sessionId) return;
      setNudged(true);
      window.clearTimeout(timer);
      timer = window.setTimeout(() => setNudged(false), NUDGE_MS);
    });
    return () => {
      off();
      window.clearTimeout(timer);
    };
  }, [sessionId]);
  return nudged;
}
