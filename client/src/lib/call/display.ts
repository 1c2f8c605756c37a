// A screen, a window or a tab to be shown, as the person chooses in the browser's own dialog.

/** Throws what `getDisplayMedia` throws; `NotAllowedError` is also a dialog that was closed. */
export async function chooseDisplay(): Promise<MediaStream> {
  return navigator.mediaDevices.getDisplayMedia({
    video: { frameRate: { ideal: 30, max: 30 } },
    audio: true,
    // What browsers know beyond the standard's types, and the others pass over.
    ...{ systemAudio: 'include', surfaceSwitching: 'include', selfBrowserSurface: 'exclude' },
  });
}

/** What the encoder keeps: sharp letters, or a smooth film. */
export function setHint(track: MediaStreamTrack, mode: 'detail' | 'motion'): void {
  if ('contentHint' in track) track.contentHint = mode;
}
