import { Button, type ButtonProps } from '@mantine/core';
import type { ReactNode } from 'react';

/** One thing to be done with one row; `label` says with which. */
export function Act({
  label,
  children,
  ...props
}: { label: string; onClick: () => void; children: ReactNode } & ButtonProps) {
  return (
    <Button size="xs" variant="subtle" aria-label={label} {...props}>
      {children}
    </Button>
  );
}
