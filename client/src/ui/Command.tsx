import { useLingui } from '@lingui/react/macro';
import { ActionIcon, CopyButton, Tooltip } from '@mantine/core';
import { IconCheck, IconCopy } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import classes from './ui.module.css';

/** Something to copy: a command, a link. `children` are further things to do with it. */
export function Command({ value, children }: { value: string; children?: ReactNode }) {
  const { t } = useLingui();
  return (
    <div className={classes.command}>
      <code>{value}</code>
      <CopyButton value={value}>
        {({ copied, copy }) => (
          <Tooltip label={copied ? t`Copied` : t`Copy`}>
            <ActionIcon size="sm" onClick={copy} aria-label={t`Copy`} color={copied ? 'lagoon' : 'gray'}>
              {copied ? <IconCheck size={15} /> : <IconCopy size={15} />}
            </ActionIcon>
          </Tooltip>
        )}
      </CopyButton>
      {children}
    </div>
  );
}
