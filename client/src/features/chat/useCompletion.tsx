// Offers names while `@…` is typed: arrows choose, Enter or Tab takes, Escape leaves it.

import { useLingui } from '@lingui/react/macro';
import { type KeyboardEvent, type RefObject, useId, useState } from 'react';
import { flushSync } from 'react-dom';
import type { Member } from '../../protocol/signal';
import classes from './chat.module.css';
import { completionAt } from './mentions';

export function useCompletion(
  members: readonly Member[],
  field: RefObject<HTMLTextAreaElement | null>,
  text: string,
  setText: (text: string) => void,
) {
  const { t } = useLingui();
  const id = useId();
  const [open, setOpen] = useState(false);
  const [chosen, setChosen] = useState(0);
  const caret = field.current?.selectionStart ?? text.length;
  const offer = open ? completionAt(text, caret, members) : undefined;
  const at = Math.min(chosen, (offer?.names.length ?? 1) - 1);

  function take(name: string) {
    if (!offer) return;
    const before = `${text.slice(0, offer.from)}@${name} `;
    // Drawn at once, so that the caret finds its place.
    flushSync(() => {
      setText(before + text.slice(caret));
      setOpen(false);
    });
    field.current?.setSelectionRange(before.length, before.length);
    field.current?.focus();
  }

  /** Whether the key was for the list. */
  function keyDown(event: KeyboardEvent): boolean {
    if (!offer || event.nativeEvent.isComposing) return false;
    const { length } = offer.names;
    if (event.key === 'ArrowDown') setChosen((at + 1) % length);
    else if (event.key === 'ArrowUp') setChosen((at + length - 1) % length);
    else if (event.key === 'Enter' || event.key === 'Tab') take(offer.names[at] as string);
    else if (event.key === 'Escape') setOpen(false);
    else return false;
    event.preventDefault();
    return true;
  }

  return {
    keyDown,
    /** After a change of the text. */
    follow: () => {
      setOpen(true);
      setChosen(0);
    },
    aria: {
      'aria-autocomplete': 'list' as const,
      'aria-controls': offer ? id : undefined,
      'aria-activedescendant': offer ? `${id}-${at}` : undefined,
    },
    list: offer && (
      <div className={classes.completion} id={id} role="listbox" aria-label={t`Names`}>
        {offer.names.map((name, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are the text field's, which keeps the focus
          <div
            key={name}
            id={`${id}-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === at}
            onMouseDown={(event) => event.preventDefault()}
            onClick={() => take(name)}
          >
            {name}
          </div>
        ))}
      </div>
    ),
  };
}
