// How the settings are laid out: sections of rows.

import { Group, Stack, Text, Title } from '@mantine/core';
import type { ReactNode } from 'react';

export function Section({ title, children }: { title: ReactNode; children: ReactNode }) {
  return (
    <section>
      <Title order={2} mb="sm">
        {title}
      </Title>
      <Stack gap="md">{children}</Stack>
    </section>
  );
}

export function Row({ label, children }: { label: ReactNode; children: ReactNode }) {
  return (
    <Group justify="space-between" gap="sm">
      <Text size="sm" flex="1 1 240px">
        {label}
      </Text>
      {children}
    </Group>
  );
}
