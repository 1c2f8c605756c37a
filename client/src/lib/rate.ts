// Rate over the last few seconds, from positions and times that are handed in.

const WINDOW_MS = 4_000;

export class RateMeter {
  private readonly samples: { at: number; bytes: number }[] = [];

  /** Records a position; returns bytes per second. */
  add(bytes: number, now: number): number {
    this.samples.push({ at: now, bytes });
    while (this.samples.length > 2 && now - (this.samples[0]?.at ?? now) > WINDOW_MS) this.samples.shift();
    const first = this.samples[0];
    if (!first || now - first.at < 50) return 0;
    return Math.max(0, ((bytes - first.bytes) / (now - first.at)) * 1000);
  }
}
