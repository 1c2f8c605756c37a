import { Box, Paper, Stack, Text, Title } from '@mantine/core';
import type { ReactNode } from 'react';
import { Logo } from '../../ui/Logo';
import classes from './auth.module.css';

export function AuthLayout({
  title,
  lead,
  children,
}: {
  title: ReactNode;
  lead?: ReactNode;
  children?: ReactNode;
}) {
  return (
    <main className={classes.page}>
      <Paper className={classes.card} radius="lg" shadow="md" withBorder>
        <Stack gap="lg">
          <Stack gap={6}>
            <Box className={classes.brand}>
              <Logo size={34} />
              <Text span fw={660} size="lg">
                Mesh
              </Text>
            </Box>
            <Title order={1} mt="sm">
              {title}
            </Title>
            {lead && (
              <Text c="dimmed" size="sm">
                {lead}
              </Text>
            )}
          </Stack>
          {children}
        </Stack>
      </Paper>
    </main>
  );
}
