// The sounds of a call, made and not loaded: it rings, it rings elsewhere, somebody came, somebody went.

const RING_EVERY_MS = 3_000;

function play(
  context: AudioContext,
  notes: [frequency: number, at: number, seconds: number][],
  volume: number,
): void {
  for (const [frequency, at, seconds] of notes) {
    const oscillator = context.createOscillator();
    const gain = context.createGain();
    const begin = context.currentTime + at;
    oscillator.frequency.value = frequency;
    gain.gain.setValueAtTime(0, begin);
    gain.gain.linearRampToValueAtTime(volume, begin + 0.02);
    gain.gain.exponentialRampToValueAtTime(0.0001, begin + seconds);
    oscillator.connect(gain).connect(context.destination);
    oscillator.start(begin);
    oscillator.stop(begin + seconds);
  }
}

/** Rings until it is stopped. A browser that wants a touch of the page first stays silent: the notice is seen all the same. */
export function ring(which: 'incoming' | 'outgoing'): () => void {
  if (typeof AudioContext === 'undefined') return () => {};
  const context = new AudioContext();
  const round = () => {
    if (which === 'incoming')
      play(
        context,
        [
          [659, 0, 0.35],
          [784, 0.2, 0.35],
          [988, 0.4, 0.7],
        ],
        0.16,
      );
    else play(context, [[440, 0, 0.9]], 0.06);
  };
  round();
  const timer = window.setInterval(round, RING_EVERY_MS);
  return () => {
    window.clearInterval(timer);
    void context.close().catch(() => {});
  };
}

export function chime(came: boolean): void {
  if (typeof AudioContext === 'undefined') return;
  const context = new AudioContext();
  const notes = came ? [523, 784] : [784, 523];
  play(
    context,
    [
      [notes[0] as number, 0, 0.2],
      [notes[1] as number, 0.12, 0.3],
    ],
    0.08,
  );
  window.setTimeout(() => void context.close().catch(() => {}), 800);
}
