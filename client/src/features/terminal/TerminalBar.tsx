import { Plural, Trans, useLingui } from '@lingui/react/macro';
import { Button, Group, Text, Tooltip } from '@mantine/core';
import { IconEye, IconKeyboard, IconLock } from '@tabler/icons-react';
import { type ReactNode, type Ref, useEffect, useState } from 'react';
import { explain } from '../../app/failures';
import { useMesh } from '../../app/mesh';
import { isAway } from '../../state/terminalReturn';
import type { TerminalView } from '../../state/terminalStore';
import { PathBadge } from '../../ui/PathBadge';
import { onRefusedInput } from './refusedInput';
import { TextSize } from './TextSize';
import classes from './terminal.module.css';
import { useTerminals } from './useTerminals';

const NUDGE_MS = 1_200;

export function TerminalBar({
  ref,
  terminal,
  machineThere,
  onAgain,
  menu,
}: {
  ref: Ref<HTMLDivElement>;
  terminal: TerminalView;
  /** Whether there is a machine that can be asked again. */
  machineThere: boolean;
  onAgain: () => void;
  menu: ReactNode;
}) {
  const { t } = useLingui();
  const { sessionId, phase, control, viewers } = terminal;
  const nudged = useNudge(sessionId);
  const names = viewers.map((viewer) => viewer.name).join(', ');
  const mode = phase === 'live' ? (control === 'held' ? 'held' : 'view') : 'ended';
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
        {terminal.title !== '' && (
          <Text span size="xs" c="dimmed" truncate className={classes.title} title={terminal.title}>
            {terminal.title}
          </Text>
        )}
      </div>
      <div className={classes.control}>
        <Control terminal={terminal} machineThere={machineThere} onAgain={onAgain} />
      </div>
      <TextSize sessionId={sessionId} />
      {menu}
    </div>
  );
}

function Mode({ terminal }: { terminal: TerminalView }) {
  const { i18n } = useLingui();
  const { phase, end, control, holder } = terminal;
  if (phase === 'ended') {
    if (end?.code !== 'EXIT') return explain(i18n, end ?? { code: 'CONNECTION', detail: '' });
    const { exit } = end;
    if (exit === undefined) return <Trans>The shell was killed</Trans>;
    return exit === 0 ? (
      <Trans>The shell has ended</Trans>
    ) : (
      <Trans>The shell has ended with code {exit}</Trans>
    );
  }
  if (phase !== 'live') return <Trans>Asking for it again</Trans>;
  if (control === 'held') return <Trans>You control this terminal</Trans>;
  if (control === 'asking') return <Trans>Asking for control</Trans>;
  if (holder) return <Trans>View only · {holder.name} is in control</Trans>;
  if (control === 'denied') return <Trans>View only · control was not granted</Trans>;
  if (control === 'lost') return <Trans>View only · your control has ended</Trans>;
  return <Trans>View only</Trans>;
}

function Control({
  terminal,
  machineThere,
  onAgain,
}: {
  terminal: TerminalView;
  machineThere: boolean;
  onAgain: () => void;
}) {
  const mesh = useMesh();
  const terminals = useTerminals();
  const { sessionId, phase, control } = terminal;
  if (phase !== 'live')
    return (
      <Group gap={8} wrap="nowrap">
        <Button size="xs" variant="default" onClick={() => mesh.terminalLoader.close(sessionId)}>
          <Trans>Close</Trans>
        </Button>
        {phase === 'ended' && machineThere && (
          <Button size="xs" onClick={onAgain}>
            {isAway(terminal.end?.code) ? <Trans>Try now</Trans> : <Trans>Open again</Trans>}
          </Button>
        )}
      </Group>
    );
  if (control === 'held')
    return (
      <Button size="xs" variant="default" onClick={() => void terminals.release(sessionId)}>
        <Trans>Give back control</Trans>
      </Button>
    );
  return (
    <Button
      size="xs"
      loading={control === 'asking'}
      loaderProps={{ type: 'dots' }}
      disabled={terminal.paused}
      onClick={() => void terminals.askControl(sessionId)}
    >
      <Trans>Ask for control</Trans>
    </Button>
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
