// Who speaks: the loudest over some moments, and no change at every breath.

/** Below this nobody speaks; of a level from 0 to 1. */
const SPEECH = 0.02;
/** How much of the last value stays with each reading. */
const SMOOTHING = 0.6;
/** Another one has to be so much louder, for so long, to take over. */
const LOUDER = 1.4;
const HOLD_MS = 700;

export class SpeakerWatch {
  private readonly levels = new Map<string, number>();
  private speaker: string | undefined;
  private rival: { id: string; since: number } | undefined;

  /** Takes the levels of this moment; returns who speaks, or spoke last. */
  take(levels: ReadonlyMap<string, number>, now: number): string | undefined {
    for (const id of this.levels.keys()) if (!levels.has(id)) this.levels.delete(id);
    for (const [id, level] of levels)
      this.levels.set(id, (this.levels.get(id) ?? 0) * SMOOTHING + level * (1 - SMOOTHING));
    if (this.speaker !== undefined && !this.levels.has(this.speaker)) this.speaker = undefined;

    let loudest: string | undefined;
    let most = SPEECH;
    for (const [id, level] of this.levels)
      if (level > most) {
        loudest = id;
        most = level;
      }
    const own = this.speaker === undefined ? 0 : (this.levels.get(this.speaker) ?? 0);
    if (loudest === undefined || loudest === this.speaker || most < own * LOUDER) {
      this.rival = undefined;
    } else if (this.speaker === undefined) {
      this.speaker = loudest;
    } else if (this.rival?.id !== loudest) {
      this.rival = { id: loudest, since: now };
    } else if (now - this.rival.since >= HOLD_MS) {
      this.speaker = loudest;
      this.rival = undefined;
    }
    return this.speaker;
  }

  /** The smoothed level, for the ring around a picture. */
  isSpeaking(id: string): boolean {
    return (this.levels.get(id) ?? 0) > SPEECH;
  }
}
