// Plays a recording onto a screen. The clock is passed in; who draws calls `tick` while it plays.

import { type Cast, sizeOf } from './asciicast';

export interface CastScreen {
  write: (text: string) => void;
  resize: (cols: number, rows: number) => void;
  reset: () => void;
}

export interface PlayerState {
  playing: boolean;
  /** Seconds. */
  position: number;
  speed: number;
  /** The marker at which it stopped. */
  marker: string | undefined;
}

export class CastPlayer {
  private next = 0;
  private position = 0;
  private playing = false;
  private speed = 1;
  private marker: string | undefined;
  private before = 0;

  constructor(
    private readonly cast: Cast,
    private readonly screen: CastScreen,
  ) {
    this.begin();
  }

  get state(): PlayerState {
    const { playing, position, speed, marker } = this;
    return { playing, position, speed, marker };
  }

  play(now: number): void {
    if (this.ended) this.seek(0);
    this.playing = true;
    this.marker = undefined;
    this.before = now;
  }

  pause(): void {
    this.playing = false;
  }

  setSpeed(speed: number): void {
    this.speed = speed;
  }

  /** Goes on to the time that it is now; stops at a marker, and at the end. */
  tick(now: number): void {
    if (!this.playing) return;
    const to = this.position + ((now - this.before) / 1_000) * this.speed;
    this.before = now;
    const marker = this.advance(to, true);
    if (marker) {
      this.marker = marker.data;
      this.position = marker.at;
      this.playing = false;
    } else {
      this.position = Math.min(to, this.cast.duration);
      if (this.ended) this.playing = false;
    }
  }

  /** Shows the screen as it was at a time. */
  seek(position: number): void {
    const to = Math.min(Math.max(0, position), this.cast.duration);
    this.marker = undefined;
    if (to < this.position) this.begin();
    this.advance(to, false);
    this.position = to;
  }

  private get ended(): boolean {
    return this.next >= this.cast.events.length && this.position >= this.cast.duration;
  }

  private begin(): void {
    this.next = 0;
    this.screen.reset();
    this.screen.resize(this.cast.cols, this.cast.rows);
  }

  /** Everything up to a time, in few writes; at most to the next marker, which it returns, where it `stops` there. */
  private advance(to: number, stops: boolean) {
    const { events } = this.cast;
    let output = '';
    const flush = () => {
      if (output !== '') this.screen.write(output);
      output = '';
    };
    for (let event = events[this.next]; event && event.at <= to; event = events[this.next]) {
      this.next += 1;
      if (event.kind === 'output') output += event.data;
      else if (event.kind === 'resize') {
        const size = sizeOf(event.data);
        flush();
        if (size) this.screen.resize(size.cols, size.rows);
      } else if (stops) {
        flush();
        return event;
      }
    }
    flush();
    return undefined;
  }
}
