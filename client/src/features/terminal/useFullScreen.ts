import { useEffect, useState } from 'react';

/** Chromium hands Escape on to the shell while it is locked; held for long, it still leaves the full screen. */
type WithKeyboard = Navigator & {
  keyboard?: { lock?: (keys: string[]) => Promise<void>; unlock?: () => void };
};

/** The whole screen where the browser gives it, else the whole page. */
export function useFullScreen(): [full: boolean, setFull: (full: boolean) => void] {
  const [full, setFull] = useState(false);
  useEffect(() => {
    if (!full) return;
    const { keyboard } = navigator as WithKeyboard;
    const left = () => {
      if (!document.fullscreenElement) setFull(false);
    };
    document.addEventListener('fullscreenchange', left);
    const enter = async () => {
      await document.documentElement.requestFullscreen?.();
      await keyboard?.lock?.(['Escape']);
    };
    enter().catch((error) => console.debug('not on the whole screen', error));
    return () => {
      document.removeEventListener('fullscreenchange', left);
      keyboard?.unlock?.();
      if (document.fullscreenElement)
        document.exitFullscreen().catch((error) => console.debug('full screen', error));
    };
  }, [full]);
  return [full, setFull];
}
