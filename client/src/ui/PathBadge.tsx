import { useLingui } from '@lingui/react/macro';
import { Badge, Tooltip } from '@mantine/core';
import { IconArrowsLeftRight, IconRoute } from '@tabler/icons-react';
import type { PathInfo } from '../lib/rtc';

/** How two devices are joined, honestly. */
export function PathBadge({ path }: { path: PathInfo | undefined }) {
  const { t } = useLingui();
  if (!path) return null;
  const rtt = path.rttMs === undefined ? '' : ` · ${path.rttMs < 1 ? '< 1' : Math.round(path.rttMs)} ms`;
  const direct = path.kind === 'direct';
  return (
    <Tooltip
      multiline
      maw={280}
      label={
        direct
          ? t`The content goes straight from device to device.`
          : t`No direct way was found: encrypted content passes through a relay that cannot read it.`
      }
    >
      <Badge
        size="sm"
        variant="light"
        tt="none"
        fw={560}
        color={direct ? 'lagoon' : 'orange'}
        className="numbers"
        style={{ flex: 'none' }}
        leftSection={direct ? <IconArrowsLeftRight size={12} /> : <IconRoute size={12} />}
      >
        {direct ? t`Direct` : t`Relayed`}
        {rtt}
      </Badge>
    </Tooltip>
  );
}
