// A recording on this device: what is on the stage as one picture, and everybody's voices as one sound.

const FRAMES_PER_SECOND = 20;
const WIDTH = 1280;
const HEIGHT = 720;
const SLICE_MS = 1_000;
const TYPES = ['video/webm;codecs=vp8,opus', 'video/webm', 'video/mp4'];

export function canRecord(): boolean {
  return (
    typeof MediaRecorder !== 'undefined' &&
    typeof AudioContext !== 'undefined' &&
    'captureStream' in HTMLCanvasElement.prototype
  );
}

export class StageRecorder {
  private readonly recorder: MediaRecorder;
  private readonly context = new AudioContext();
  private readonly mix = this.context.createMediaStreamDestination();
  private readonly sources = new Map<string, MediaStreamAudioSourceNode>();
  private readonly canvas = document.createElement('canvas');
  private readonly drawing: number;
  /** Handed to the browser, which keeps large ones on the disk. */
  private readonly parts: Blob[] = [];

  /** `voices` are looked at again with each picture: people come and go. */
  constructor(
    private readonly stage: HTMLElement,
    private readonly voices: () => MediaStreamTrack[],
  ) {
    this.canvas.width = WIDTH;
    this.canvas.height = HEIGHT;
    const stream = this.canvas.captureStream(FRAMES_PER_SECOND);
    for (const track of this.mix.stream.getAudioTracks()) stream.addTrack(track);
    const mimeType = TYPES.find((type) => MediaRecorder.isTypeSupported(type));
    this.recorder = new MediaRecorder(stream, mimeType ? { mimeType } : {});
    this.recorder.ondataavailable = ({ data }) => {
      if (data.size > 0) this.parts.push(data);
    };
    this.drawing = window.setInterval(() => this.draw(), 1_000 / FRAMES_PER_SECOND);
    this.draw();
    this.recorder.start(SLICE_MS);
  }

  /** Ends it; the whole of it. */
  async stop(): Promise<Blob> {
    window.clearInterval(this.drawing);
    await new Promise<void>((resolve) => {
      this.recorder.onstop = () => resolve();
      if (this.recorder.state === 'inactive') resolve();
      else this.recorder.stop();
    });
    await this.context.close().catch(() => {});
    return new Blob(this.parts, { type: this.recorder.mimeType });
  }

  private draw(): void {
    this.listen();
    const context = this.canvas.getContext('2d');
    if (!context) return;
    context.fillStyle = '#0f1416';
    context.fillRect(0, 0, WIDTH, HEIGHT);
    const whole = this.stage.getBoundingClientRect();
    const scale = Math.min(WIDTH / whole.width, HEIGHT / whole.height) || 1;
    for (const video of this.stage.querySelectorAll('video')) {
      if (video.hasAttribute('data-hidden') || video.videoWidth === 0) continue;
      const box = video.getBoundingClientRect();
      const fit = Math.min((box.width * scale) / video.videoWidth, (box.height * scale) / video.videoHeight);
      const width = video.videoWidth * fit;
      const height = video.videoHeight * fit;
      const left = (box.left - whole.left) * scale + (box.width * scale - width) / 2;
      const top = (box.top - whole.top) * scale + (box.height * scale - height) / 2;
      context.drawImage(video, left, top, width, height);
    }
  }

  private listen(): void {
    const wanted = this.voices().filter((track) => track.readyState === 'live');
    for (const [id, source] of this.sources)
      if (!wanted.some((track) => track.id === id)) {
        source.disconnect();
        this.sources.delete(id);
      }
    for (const track of wanted) {
      if (this.sources.has(track.id)) continue;
      const source = this.context.createMediaStreamSource(new MediaStream([track]));
      source.connect(this.mix);
      this.sources.set(track.id, source);
    }
  }
}

/** Offers it as a download, named after when it was made. */
export function save(recording: Blob, name: string): void {
  const url = URL.createObjectURL(recording);
  const link = document.createElement('a');
  link.href = url;
  link.download = `${name}.${recording.type.includes('mp4') ? 'mp4' : 'webm'}`;
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
