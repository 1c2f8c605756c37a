import { Alert } from '@mantine/core';
import { IconAlertCircle } from '@tabler/icons-react';
import type { ReactNode } from 'react';

/** An error where it happened, read out at once. */
export function Problem({ children }: { children: ReactNode }) {
  if (!children) return null;
  return (
    <Alert role="alert" color="red" variant="light" radius="md" py="xs" icon={<IconAlertCircle size={18} />}>
      {children}
    </Alert>
  );
}
