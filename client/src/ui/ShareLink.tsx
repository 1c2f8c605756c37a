// A link that is to be opened elsewhere: to copy, or to scan.

import { Trans, useLingui } from '@lingui/react/macro';
import { ActionIcon, Loader, Text, Tooltip } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconQrcode } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useId, useMemo } from 'react';
import { Command } from './Command';
import classes from './ui.module.css';

/** `label` says what the code opens, for those who do not see it. */
export function ShareLink({ value, label }: { value: string; label: string }) {
  const { t } = useLingui();
  const id = useId();
  // Not before somebody asks: the link lets in whoever sees its code.
  const [shown, code] = useDisclosure(false);
  return (
    <div className={classes.share}>
      <Command value={value}>
        <Tooltip label={shown ? t`Hide the QR code` : t`Show as a QR code`}>
          <ActionIcon
            size="sm"
            aria-label={t`QR code`}
            aria-expanded={shown}
            aria-controls={id}
            color={shown ? 'lagoon' : 'gray'}
            onClick={code.toggle}
          >
            <IconQrcode size={15} />
          </ActionIcon>
        </Tooltip>
      </Command>
      <div id={id}>{shown && <QrCode value={value} label={label} />}</div>
    </div>
  );
}

function QrCode({ value, label }: { value: string; label: string }) {
  const { t } = useLingui();
  const maker = useQuery({
    queryKey: ['qr'],
    queryFn: () => import('../lib/qr'),
    staleTime: Number.POSITIVE_INFINITY,
    networkMode: 'always',
  });
  const drawing = useMemo(() => maker.data?.qrPath(value), [maker.data, value]);
  if (maker.error)
    return (
      <Text size="xs" c="dimmed">
        <Trans>The QR code could not be loaded. Copy the link instead.</Trans>
      </Text>
    );
  return (
    <div className={classes.qr}>
      {drawing ? (
        <svg
          role="img"
          aria-label={label}
          viewBox={`0 0 ${drawing.size} ${drawing.size}`}
          shapeRendering="crispEdges"
        >
          <rect width="100%" height="100%" fill="#fff" />
          <path d={drawing.path} fill="#000" />
        </svg>
      ) : (
        <Loader aria-label={t`Loading`} />
      )}
      <Text size="xs" c="dimmed">
        <Trans>Scan it with the camera of a phone.</Trans>
      </Text>
    </div>
  );
}
