import { Text, Title } from '@mantine/core';
import type { ReactNode } from 'react';
import classes from './ui.module.css';

/** Nothing here yet: says why, and what to do next. */
export function EmptyState({
  icon,
  title,
  children,
}: {
  icon: ReactNode;
  title: ReactNode;
  children?: ReactNode;
}) {
  return (
    <div className={classes.empty}>
      <div className={classes.emptyIcon} aria-hidden="true">
        {icon}
      </div>
      <Title order={3}>{title}</Title>
      {typeof children === 'string' ? (
        <Text size="sm" c="dimmed" maw={420}>
          {children}
        </Text>
      ) : (
        children
      )}
    </div>
  );
}
