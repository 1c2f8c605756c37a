import { useEffect, useState } from 'react';

/** For a dialog that is gone when it closes: the focus goes back to where it was when the dialog was first drawn. */
export function useFocusBack(): void {
  const [before] = useState(() => document.activeElement);
  useEffect(
    () => () => {
      if (before instanceof HTMLElement) before.focus({ preventScroll: true });
    },
    [before],
  );
}
