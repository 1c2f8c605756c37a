// Finds whatever can be done from here and does it: Ctrl+K.

import { Trans, useLingui } from '@lingui/react/macro';
import { Kbd, Modal, Text, TextInput } from '@mantine/core';
import { IconSearch } from '@tabler/icons-react';
import { type KeyboardEvent, useId, useState } from 'react';
import { useFocusBack } from '../../ui/useFocusBack';
import { type Command, matching } from './filter';
import classes from './palette.module.css';
import { useCommands } from './useCommands';
import { Words } from './words';

interface Props {
  onClose: () => void;
  onNewRoom: () => void;
  onShortcuts: () => void;
}

export function Palette(props: Props) {
  return (
    <Words>
      <Finder {...props} />
    </Words>
  );
}

function Finder({ onClose, ...dialogs }: Props) {
  const { t } = useLingui();
  const id = useId();
  useFocusBack();
  const [typed, setTyped] = useState('');
  const [at, setAt] = useState(0);
  const found = matching(useCommands(dialogs), typed);
  const chosen = Math.min(at, found.length - 1);

  const run = (command: Command | undefined) => {
    if (!command) return;
    onClose();
    // After this has given the keyboard back: what opens takes it for good.
    window.setTimeout(command.run);
  };
  const choose = (index: number) => {
    setAt(index);
    document.getElementById(`${id}-${index}`)?.scrollIntoView({ block: 'nearest' });
  };
  function onKey(event: KeyboardEvent) {
    const last = found.length - 1;
    if (event.key === 'ArrowDown') choose(chosen < last ? chosen + 1 : 0);
    else if (event.key === 'ArrowUp') choose(chosen > 0 ? chosen - 1 : last);
    else if (event.key === 'Enter' && !event.nativeEvent.isComposing) run(found[chosen]);
    else return;
    event.preventDefault();
  }

  return (
    <Modal
      opened
      onClose={onClose}
      withCloseButton={false}
      padding={0}
      yOffset="12dvh"
      centered={false}
      attributes={{ content: { 'aria-label': t`Find and do anything` } }}
    >
      <TextInput
        className={classes.field}
        data-autofocus
        size="md"
        variant="unstyled"
        leftSection={<IconSearch size={18} aria-hidden="true" />}
        placeholder={t`A room, a person, something to do…`}
        aria-label={t`Find`}
        role="combobox"
        aria-expanded="true"
        aria-controls={id}
        aria-activedescendant={found.length > 0 ? `${id}-${chosen}` : undefined}
        aria-autocomplete="list"
        autoComplete="off"
        spellCheck={false}
        value={typed}
        onChange={(event) => {
          setTyped(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={onKey}
      />
      {/* The keyboard stays in the field, which says what is chosen. */}
      <div id={id} role="listbox" aria-label={t`What was found`} className={classes.list}>
        {found.map((command, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: its keys are those of the field
          // biome-ignore lint/a11y/useFocusableInteractive: the field keeps the focus, and names the chosen one
          <div
            key={command.id}
            id={`${id}-${index}`}
            role="option"
            aria-selected={index === chosen}
            className={classes.option}
            onPointerMove={() => setAt(index)}
            onClick={() => run(command)}
          >
            <span className={classes.name}>{command.name}</span>
            <span className={classes.group}>{command.group}</span>
          </div>
        ))}
      </div>
      {found.length === 0 && (
        <Text size="sm" c="dimmed" px="md" pb="md" role="status">
          <Trans>Nothing is called that. Type less of it, or another word.</Trans>
        </Text>
      )}
      <Text size="xs" c="dimmed" className={classes.keys}>
        <Kbd size="xs">↑</Kbd> <Kbd size="xs">↓</Kbd> <Trans>choose</Trans> · <Kbd size="xs">Enter</Kbd>{' '}
        <Trans>do it</Trans> · <Kbd size="xs">Esc</Kbd> <Trans>close</Trans>
      </Text>
    </Modal>
  );
}
