// Transfers outside of their room: offers and a bar that opens the list where no room is in sight, and everywhere a line
// for screen readers when one is over.

import { Plural, Trans, useLingui } from '@lingui/react/macro';
import { Drawer, Progress, Text, UnstyledButton } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconArrowsUpDown } from '@tabler/icons-react';
import { useMatch } from '@tanstack/react-router';
import { isOpen, type TransferView } from '../../../state/transferStore';
import classes from '../files.module.css';
import { Offers } from '../Offers';
import { useTransfers } from '../useTransfers';
import { TransfersPanel } from './TransfersPanel';
import { Words } from './words';

export function Everywhere() {
  const inRoom = useMatch({ from: '/signed-in/rooms/$roomId', shouldThrow: false });
  return (
    <Words>
      <News />
      {!inRoom && (
        <>
          <Offers />
          <Bar />
        </>
      )}
    </Words>
  );
}

function News() {
  const { t } = useLingui();
  const transfers = useTransfers();
  const say = ({ direction, phase, name }: TransferView) => {
    if (phase === 'done') return direction === 'in' ? t`${name} was received.` : t`${name} was delivered.`;
    if (phase === 'failed') return t`The transfer of ${name} failed.`;
    return undefined;
  };
  return (
    <ul className="visually-hidden" aria-live="polite" aria-relevant="additions" aria-label={t`Finished`}>
      {transfers.map((transfer) => {
        const news = say(transfer);
        return news && <li key={transfer.sessionId}>{news}</li>;
      })}
    </ul>
  );
}

function Bar() {
  const { t } = useLingui();
  const [opened, drawer] = useDisclosure(false);
  const transfers = useTransfers().filter((transfer) => transfer.phase !== 'offered');
  const open = transfers.filter(isOpen);
  const size = open.reduce((sum, transfer) => sum + transfer.size, 0);
  const moved = open.reduce((sum, transfer) => sum + transfer.moved, 0);
  const percent = size > 0 ? Math.floor((moved / size) * 100) : 0;
  // Who has just cleared the list goes on looking at it.
  if (transfers.length === 0 && !opened) return null;
  return (
    <>
      <UnstyledButton className={classes.bar} onClick={drawer.open} aria-haspopup="dialog">
        <IconArrowsUpDown size={18} aria-hidden="true" />
        <Text span size="sm" fw={560} className="numbers">
          {open.length > 0 ? (
            <>
              <Plural value={open.length} one="# transfer" other="# transfers" />
              {` · ${percent} %`}
            </>
          ) : (
            <Trans>Transfers finished</Trans>
          )}
        </Text>
        {open.length > 0 && <Progress value={percent} size="sm" flex={1} aria-label={t`Progress of all`} />}
      </UnstyledButton>
      <Drawer
        opened={opened}
        onClose={drawer.close}
        position="right"
        size={380}
        padding={0}
        closeButtonProps={{ 'aria-label': t`Close` }}
      >
        <TransfersPanel />
      </Drawer>
    </>
  );
}
