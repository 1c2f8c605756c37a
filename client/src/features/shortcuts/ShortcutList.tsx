import { Trans, useLingui } from '@lingui/react/macro';
import { Kbd, Modal, Stack, Switch, Text } from '@mantine/core';
import { Fragment, type ReactNode, useState } from 'react';
import { isMac, leaveKeys, setSingleKeys, singleKeys } from '../../lib/shortcuts';
import { searchKeys } from '../../lib/terminalShortcuts';
import ui from '../../ui/ui.module.css';
import { useFocusBack } from '../../ui/useFocusBack';
import { Words } from '../palette/words';
import classes from './shortcuts.module.css';

export function ShortcutList(props: { onClose: () => void }) {
  return (
    <Words>
      <List {...props} />
    </Words>
  );
}

function List({ onClose }: { onClose: () => void }) {
  const { t } = useLingui();
  useFocusBack();
  const [single, setSingle] = useState(singleKeys);
  const mac = isMac(navigator.userAgent);
  const alt = mac ? 'Option' : 'Alt';
  return (
    <Modal
      opened
      onClose={onClose}
      title={<Trans>Keyboard shortcuts</Trans>}
      closeButtonProps={{ 'aria-label': t`Close` }}
    >
      <Stack gap="lg">
        <Keys title={<Trans>In a room</Trans>}>
          <Row off={!single} keys={<Kbd>/</Kbd>} what={<Trans>Write a message</Trans>} />
          <Row keys={<Chord keys={[alt, '1']} />} what={<Trans>Chat</Trans>} />
          <Row
            keys={
              <>
                <Chord keys={[alt, '2']} /> … <Kbd>9</Kbd>
              </>
            }
            what={<Trans>Open terminals, in their order</Trans>}
          />
          <Row keys={<Kbd>{t`Del`}</Kbd>} what={<Trans>Close the terminal whose tab has the focus</Trans>} />
        </Keys>
        <Keys title={<Trans>In a message</Trans>}>
          <Row keys={<Kbd>Enter</Kbd>} what={<Trans>Send</Trans>} />
          <Row keys={<Chord keys={['Shift', 'Enter']} />} what={<Trans>New line</Trans>} />
        </Keys>
        <Keys title={<Trans>In a terminal</Trans>}>
          <Row keys={<Chord keys={leaveKeys(mac)} />} what={<Trans>Leave it for the bar above</Trans>} />
          <Row keys={<Kbd>Tab</Kbd>} what={<Trans>Leave it, while you only watch</Trans>} />
          <Row keys={<Chord keys={searchKeys(mac)} />} what={<Trans>Search in it</Trans>} />
          <Row
            keys={<Chord keys={mac ? ['Command', 'C'] : ['Ctrl', 'Shift', 'C']} />}
            what={<Trans>Copy what is selected</Trans>}
          />
        </Keys>
        <Keys title={<Trans>In a call</Trans>}>
          <Row off={!single} keys={<Kbd>M</Kbd>} what={<Trans>Microphone on or off</Trans>} />
          <Row off={!single} keys={<Kbd>V</Kbd>} what={<Trans>Camera on or off</Trans>} />
          <Row keys={<Kbd>{t`Space bar`}</Kbd>} what={<Trans>Be heard while it is held</Trans>} />
        </Keys>
        <Keys title={<Trans>Everywhere</Trans>}>
          <Row
            keys={<Chord keys={[mac ? 'Command' : 'Ctrl', 'K']} />}
            what={<Trans>Find and do anything</Trans>}
          />
          <Row off={!single} keys={<Kbd>?</Kbd>} what={<Trans>This list</Trans>} />
          <Row keys={<Kbd>Esc</Kbd>} what={<Trans>Close what has opened</Trans>} />
        </Keys>
        <Text size="xs" c="dimmed">
          <Trans>
            In a text field, single keys are written. In a terminal that you control, every other key goes to
            its shell.
          </Trans>
        </Text>
        <Switch
          label={t`Use single keys as shortcuts`}
          description={t`Turn this off if you dictate to your computer. Settings shows this list again.`}
          checked={single}
          onChange={(event) => {
            setSingleKeys(event.currentTarget.checked);
            setSingle(singleKeys());
          }}
        />
      </Stack>
    </Modal>
  );
}

function Keys({ title, children }: { title: ReactNode; children: ReactNode }) {
  return (
    <section>
      <h3 className={ui.sectionTitle}>{title}</h3>
      <dl className={classes.list}>{children}</dl>
    </section>
  );
}

function Row({ keys, what, off = false }: { keys: ReactNode; what: ReactNode; off?: boolean }) {
  return (
    <div className={classes.row} data-off={off || undefined}>
      <dt>{keys}</dt>
      <dd>
        {what}
        {off && (
          <>
            {' '}
            <Trans>(off)</Trans>
          </>
        )}
      </dd>
    </div>
  );
}

function Chord({ keys }: { keys: string[] }) {
  return keys.map((key, index) => (
    <Fragment key={key}>
      {index > 0 && ' + '}
      <Kbd>{key}</Kbd>
    </Fragment>
  ));
}
