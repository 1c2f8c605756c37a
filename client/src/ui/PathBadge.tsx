import { useLingui } from '@lingui/react/macro';
import { Badge, Tooltip } from '@mantine/core';
import { IconArrowsLeftRight, IconRoute, IconServer } from '@tabler/icons-react';
import type { PathInfo } from '../lib/path';

const LOOKS = {
  direct: { color: 'lagoon', Icon: IconArrowsLeftRight },
  relayed: { color: 'orange', Icon: IconRoute },
  server: { color: 'red', Icon: IconServer },
};

/** How two devices are joined, honestly. */
export function PathBadge({ path }: { path: PathInfo | undefined }) {
  const { t } = useLingui();
  if (!path) return null;
  const rtt = path.rttMs === undefined ? '' : ` · ${path.rttMs < 1 ? '< 1' : Math.round(path.rttMs)} ms`;
  const { color, Icon } = LOOKS[path.kind];
  const words = {
    direct: { name: t`Direct`, why: t`The content goes straight from device to device.` },
    relayed: {
      name: t`Relayed`,
      why: t`No direct way was found: encrypted content passes through a relay that cannot read it.`,
    },
    server: {
      name: t`Through the server`,
      why: t`No direct way was found: the content passes through the server, which can read it.`,
    },
  }[path.kind];
  return (
    <Tooltip multiline maw={280} label={words.why}>
      <Badge
        size="sm"
        variant="light"
        tt="none"
        fw={560}
        color={color}
        className="numbers"
        style={{ flex: 'none' }}
        leftSection={<Icon size={12} />}
      >
        {words.name}
        {rtt}
      </Badge>
    </Tooltip>
  );
}
