// The microphone and the camera of this page while it is in a call, or about to be: on and off, exchanged, unplugged and
// plugged in again. What fails is a name, and the rest goes on without it.

import {
  type Choice,
  canBlur,
  faultOf,
  listDevices,
  type MediaFault,
  openCamera,
  openMicrophone,
  setBlur,
  storeChoice,
  storedChoice,
  watchDevices,
} from './devices';
import type { Kind } from './mediaLink';

export class LocalMedia {
  choice: Choice = storedChoice();
  private readonly tracks: Partial<Record<Kind, MediaStreamTrack>> = {};
  private readonly wanted: Record<Kind, boolean> = { audio: false, video: false };
  private readonly faults: Partial<Record<Kind, MediaFault>> = {};
  /** Counts the openings: an answer to an older question is thrown away. */
  private readonly turns: Record<Kind, number> = { audio: 0, video: 0 };
  private readonly unwatch: () => void;
  private closed = false;

  /** `changed` is told which track is sent from now on, and why there is none. */
  constructor(
    private readonly changed: (kind: Kind, track: MediaStreamTrack | undefined, fault?: MediaFault) => void,
  ) {
    this.unwatch = watchDevices(() => void this.plugged());
  }

  track(kind: Kind): MediaStreamTrack | undefined {
    return this.tracks[kind];
  }

  isOn(kind: Kind): boolean {
    return this.wanted[kind] && this.tracks[kind] !== undefined;
  }

  /** A microphone that is off stays open, so that it is on at once; a camera that is off is dark. */
  async set(kind: Kind, on: boolean): Promise<void> {
    this.wanted[kind] = on;
    const track = this.tracks[kind];
    if (kind === 'audio' && track) {
      track.enabled = on;
      this.changed(kind, track);
    } else if (on) {
      await this.open(kind);
    } else {
      this.turns[kind]++;
      this.drop(kind);
      this.changed(kind, undefined);
    }
  }

  async choose(change: Partial<Choice>): Promise<void> {
    this.choice = { ...this.choice, ...change };
    storeChoice(this.choice);
    if (('microphone' in change || 'noiseSuppression' in change) && this.tracks.audio)
      await this.open('audio');
    if ('camera' in change && this.tracks.video) await this.open('video');
    if ('blur' in change && this.tracks.video && canBlur(this.tracks.video))
      await setBlur(this.tracks.video, this.choice.blur).catch((error) => console.debug('no blur', error));
  }

  close(): void {
    this.closed = true;
    this.unwatch();
    this.drop('audio');
    this.drop('video');
  }

  private async open(kind: Kind): Promise<void> {
    const turn = ++this.turns[kind];
    const before = this.tracks[kind];
    let track: MediaStreamTrack;
    try {
      // Some systems give a camera to one user at a time, be it the same page; a microphone that is open already is given with the
      // settings that it has.
      before?.stop();
      track = await (kind === 'audio' ? openMicrophone(this.choice) : openCamera(this.choice));
    } catch (error) {
      if (turn !== this.turns[kind] || this.closed) return;
      this.drop(kind);
      this.faults[kind] = faultOf(error);
      this.changed(kind, undefined, this.faults[kind]);
      return;
    }
    if (turn !== this.turns[kind] || this.closed) {
      track.stop();
      return;
    }
    track.enabled = this.wanted[kind];
    track.onended = () => void this.unplugged(kind, track);
    this.tracks[kind] = track;
    delete this.faults[kind];
    this.changed(kind, track);
  }

  private drop(kind: Kind): void {
    const track = this.tracks[kind];
    if (!track) return;
    track.onended = null;
    track.stop();
    delete this.tracks[kind];
  }

  /** Another device takes its place, where there is one. */
  private async unplugged(kind: Kind, track: MediaStreamTrack): Promise<void> {
    if (this.tracks[kind] !== track) return;
    this.drop(kind);
    this.changed(kind, undefined);
    if (this.wanted[kind]) await this.open(kind);
  }

  /** What was missing may be there now. */
  private async plugged(): Promise<void> {
    const { microphones, cameras } = await listDevices();
    if (this.wanted.audio && this.faults.audio === 'NO_DEVICE' && microphones.length > 0)
      await this.open('audio');
    if (this.wanted.video && this.faults.video === 'NO_DEVICE' && cameras.length > 0)
      await this.open('video');
  }
}
