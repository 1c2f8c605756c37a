import { useLingui } from '@lingui/react/macro';
import { ActionIcon, Title } from '@mantine/core';
import { IconMenu2 } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import classes from './rooms.module.css';
import { useFrame } from './Shell';

export function PageHeader({
  title,
  detail,
  children,
}: {
  title: ReactNode;
  detail?: ReactNode;
  children?: ReactNode;
}) {
  const { t } = useLingui();
  const { openRooms } = useFrame();
  return (
    <header className={classes.header}>
      <ActionIcon
        size="lg"
        className={classes.menu}
        aria-label={t`Open the list of rooms`}
        onClick={openRooms}
      >
        <IconMenu2 size={20} />
      </ActionIcon>
      <div className={classes.headerTitle}>
        <Title order={1} size="h3" className={classes.truncate}>
          {title}
        </Title>
        {detail && <div className={classes.headerDetail}>{detail}</div>}
      </div>
      <div className={classes.headerActions}>{children}</div>
    </header>
  );
}
