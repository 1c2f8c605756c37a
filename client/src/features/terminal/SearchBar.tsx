// A text in the terminal, older lines included: every find marked, one of them in front.

import { Trans, useLingui } from '@lingui/react/macro';
import { ActionIcon, Text, TextInput } from '@mantine/core';
import { IconArrowDown, IconArrowUp, IconSearch, IconX } from '@tabler/icons-react';
import { type KeyboardEvent, type Ref, useEffect, useState } from 'react';
import classes from './terminal.module.css';
import { useTerminals } from './useTerminals';

/** Colours as xterm takes them. On the terminal's dark ground in both themes. */
const MARKS = {
  matchBackground: '#5a4a1d',
  matchOverviewRuler: '#e3b75f',
  activeMatchBackground: '#e3b75f',
  activeMatchColorOverviewRuler: '#f6d184',
};

export function SearchBar({
  ref,
  sessionId,
  onClose,
}: {
  ref: Ref<HTMLInputElement>;
  sessionId: string;
  onClose: () => void;
}) {
  const { t } = useLingui();
  const screen = useTerminals().screen(sessionId);
  const [text, setText] = useState('');
  const [found, setFound] = useState({ index: -1, count: 0 });

  useEffect(() => {
    const search = screen?.search;
    const listening = search?.onDidChangeResults(({ resultIndex, resultCount }) =>
      setFound({ index: resultIndex, count: resultCount }),
    );
    return () => {
      listening?.dispose();
      search?.clearDecorations();
    };
  }, [screen]);

  /** Backwards first: what is looked for came lately. */
  function find(way: 'older' | 'newer', wanted: string) {
    if (wanted === '') {
      screen?.search?.clearDecorations();
      setFound({ index: -1, count: 0 });
    } else if (way === 'older') screen?.search?.findPrevious(wanted, { decorations: MARKS });
    else screen?.search?.findNext(wanted, { decorations: MARKS });
  }

  function onKey(event: KeyboardEvent) {
    if (event.nativeEvent.isComposing) return;
    if (event.key === 'Enter') find(event.shiftKey ? 'newer' : 'older', text);
    else if (event.key === 'Escape') onClose();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  const { count } = found;
  const place = found.index + 1;
  return (
    <search className={classes.search} aria-label={t`Search in the terminal`}>
      <TextInput
        ref={ref}
        type="text"
        size="sm"
        autoFocus
        className={classes.searchText}
        aria-label={t`Search in the terminal`}
        placeholder={t`Search`}
        leftSection={<IconSearch size={16} aria-hidden="true" />}
        value={text}
        onKeyDown={onKey}
        onChange={(event) => {
          const wanted = event.currentTarget.value;
          setText(wanted);
          // From the end again.
          screen?.clearSelection();
          find('older', wanted);
        }}
      />
      <Text span size="xs" c="dimmed" role="status" className={`numbers ${classes.found}`}>
        {text === '' ? null : count === 0 ? (
          <Trans>Nothing found</Trans>
        ) : place > 0 ? (
          <Trans>
            {place} of {count}
          </Trans>
        ) : (
          <Trans>{count} found</Trans>
        )}
      </Text>
      <ActionIcon
        className={classes.more}
        aria-label={t`Previous find`}
        disabled={count === 0}
        onClick={() => find('older', text)}
      >
        <IconArrowUp size={18} />
      </ActionIcon>
      <ActionIcon
        className={classes.more}
        aria-label={t`Next find`}
        disabled={count === 0}
        onClick={() => find('newer', text)}
      >
        <IconArrowDown size={18} />
      </ActionIcon>
      <ActionIcon className={classes.more} aria-label={t`Close the search`} onClick={onClose}>
        <IconX size={18} />
      </ActionIcon>
    </search>
  );
}
