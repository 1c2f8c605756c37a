// Shown to everybody while anybody records, with who it is.

import { Trans } from '@lingui/react/macro';
import { Badge } from '@mantine/core';
import { IconPlayerRecordFilled } from '@tabler/icons-react';
import { useSession } from '../../app/mesh';
import type { CallView, ScreenView } from '../../state/callStore';

export function Recorded({ call, screens }: { call: CallView | undefined; screens: ScreenView[] }) {
  const me = useSession((state) => state.me?.name ?? '');
  const names = new Set([
    ...Object.values(call?.participants ?? {}).flatMap((one) => (one.recording ? [one.name] : [])),
    ...screens.flatMap((one) => one.viewers.flatMap((viewer) => (viewer.recording ? [viewer.name] : []))),
    ...(call?.recording || screens.some((one) => one.recording) ? [me] : []),
  ]);
  return (
    <div role="status" aria-live="assertive">
      {names.size > 0 && (
        <Badge color="red" variant="filled" tt="none" leftSection={<IconPlayerRecordFilled size={12} />}>
          <Trans>Recorded by {[...names].join(', ')}</Trans>
        </Badge>
      )}
    </div>
  );
}
