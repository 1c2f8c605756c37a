import { useEffect, useEffectEvent } from 'react';
import { isMac, placeOf, type Shortcut, shortcutOf, singleKeys } from '../../lib/shortcuts';

/** Calls `act` with every shortcut that is pressed. Where it returns true, nobody else gets to see the key. */
export function useShortcuts(act: (shortcut: Shortcut) => boolean): void {
  const onKey = useEffectEvent((event: KeyboardEvent) => {
    if (event.defaultPrevented || event.isComposing) return;
    const settings = { mac: isMac(navigator.userAgent), singleKeys: singleKeys() };
    const shortcut = shortcutOf(event, placeOf(document), settings);
    if (!shortcut || !act(shortcut)) return;
    event.preventDefault();
    event.stopPropagation();
  });
  useEffect(() => {
    const listen = (event: KeyboardEvent) => onKey(event);
    // On the way down: a terminal lets no key come up again.
    window.addEventListener('keydown', listen, { capture: true });
    return () => window.removeEventListener('keydown', listen, { capture: true });
  }, []);
}
