// How loud a microphone is, for the meter before a call and for who speaks in it.

export class LevelMeter {
  private readonly context: AudioContext;
  private readonly analyser: AnalyserNode;
  private source: MediaStreamAudioSourceNode | undefined;
  private readonly samples: Float32Array<ArrayBuffer>;

  constructor(track?: MediaStreamTrack) {
    this.context = new AudioContext();
    this.analyser = this.context.createAnalyser();
    this.analyser.fftSize = 512;
    this.samples = new Float32Array(this.analyser.fftSize);
    if (track) this.listen(track);
  }

  listen(track: MediaStreamTrack | undefined): void {
    this.source?.disconnect();
    this.source = track ? this.context.createMediaStreamSource(new MediaStream([track])) : undefined;
    this.source?.connect(this.analyser);
    // Until somebody has touched the page, browsers keep it still.
    if (this.context.state === 'suspended') void this.context.resume().catch(() => {});
  }

  /** Root mean square of the last moment, 0 to 1. */
  read(): number {
    this.analyser.getFloatTimeDomainData(this.samples);
    let sum = 0;
    for (const sample of this.samples) sum += sample * sample;
    return Math.min(1, Math.sqrt(sum / this.samples.length) * 2);
  }

  close(): void {
    this.source?.disconnect();
    void this.context.close().catch(() => {});
  }
}
