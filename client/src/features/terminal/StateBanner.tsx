// What somebody has to know who watches: that it is recorded, that it is paused, that the server can read it, that it waits for
// its machine, or that one's own word counts there.

import { Trans } from '@lingui/react/macro';
import { IconGavel, IconPlayerPause, IconPlugConnectedX, IconServer } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { isAway } from '../../state/terminalReturn';
import type { TerminalView } from '../../state/terminalStore';
import classes from './terminal.module.css';

export function StateBanner({ terminal, machineThere }: { terminal: TerminalView; machineThere: boolean }) {
  const { phase, seen, end, tries, path, paused, recording, decides, deviceName } = terminal;
  // Also while it is asked for again by itself, which takes long where nobody knows yet that its machine is away.
  const away = seen && (phase === 'ended' ? isAway(end?.code) : tries > 0);
  // There from the start, so that what comes into it later is read out.
  return (
    <div className={classes.banners} role="status">
      {recording && (
        <Banner kind="recording" icon={<span className={classes.dot} />}>
          <Trans>Its owner records this terminal.</Trans>
        </Banner>
      )}
      {path?.kind === 'server' && (
        <Banner kind="server" icon={<IconServer size={16} />}>
          <Trans>No direct way was found: this terminal passes through the server, which can read it.</Trans>
        </Banner>
      )}
      {paused && (
        <Banner kind="paused" icon={<IconPlayerPause size={16} />}>
          <Trans>Paused by its owner: what happens meanwhile is not shown.</Trans>
        </Banner>
      )}
      {decides === 'asking' && (
        <Banner kind="decides" icon={<IconGavel size={16} />}>
          <Trans>{deviceName} is asking whether you may decide here.</Trans>
        </Banner>
      )}
      {decides === 'yes' && (
        <Banner kind="decides" icon={<IconGavel size={16} />}>
          <Trans>You decide here who watches and who types.</Trans>
        </Banner>
      )}
      {away && (
        <Banner kind="away" icon={<IconPlugConnectedX size={16} />}>
          {machineThere ? (
            <Trans>This is the last that was seen. It is tried again by itself.</Trans>
          ) : (
            <Trans>This is the last that was seen. It goes on as soon as {deviceName} is back.</Trans>
          )}
        </Banner>
      )}
    </div>
  );
}

function Banner({ kind, icon, children }: { kind: string; icon: ReactNode; children: ReactNode }) {
  return (
    <p className={classes.banner} data-kind={kind}>
      <span className={classes.bannerIcon} aria-hidden="true">
        {icon}
      </span>
      <span>{children}</span>
    </p>
  );
}
