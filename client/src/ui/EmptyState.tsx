import { Text, Title } from '@mantine/core';
import type { ReactNode } from 'react';
import classes from './ui.module.css';

/** Nothing here yet: says why, and what to do next. */
export function EmptyState({
  icon,
  title,
  order = 2,
  children,
}: {
  icon: ReactNode;
  title: ReactNode;
  /** Of its heading: 1 where it is all there is. */
  order?: 1 | 2;
  children?: ReactNode;
}) {
  return (
    <div className={classes.empty}>
      <div className={classes.emptyIcon} aria-hidden="true">
        {icon}
      </div>
      <Title order={order} size="h3">
        {title}
      </Title>
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
