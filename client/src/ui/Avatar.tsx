import { Box, Avatar as MantineAvatar } from '@mantine/core';
import type { Availability } from '../state/presence';
import classes from './ui.module.css';

/** Those whose initials have the contrast of WCAG 2.1 AA on their ground. */
const COLORS = ['lagoon', 'indigo', 'grape', 'blue', 'cyan', 'pink', 'violet'];

/** The same person has the same colour everywhere. */
function colorOf(key: string): string {
  let sum = 0;
  for (const char of key) sum = (sum * 31 + (char.codePointAt(0) ?? 0)) >>> 0;
  return COLORS[sum % COLORS.length] as string;
}

/** Initials with an optional presence dot. Decorative: the name always stands beside it. */
export function Avatar({
  name,
  id,
  size = 32,
  status,
}: {
  name: string;
  id: string;
  size?: number;
  status?: Availability;
}) {
  return (
    <Box className={classes.avatar} aria-hidden="true">
      <MantineAvatar
        name={name}
        color={colorOf(id)}
        size={size}
        radius="xl"
        styles={{ placeholder: { fontWeight: 600 } }}
      />
      {status && <span className={classes.dot} data-status={status} />}
    </Box>
  );
}
