// Cameras, microphones and loudspeakers of this device: chosen, opened, and every way in which that fails named.

export type MediaFault =
  /** There is no such device. */
  | 'NO_DEVICE'
  /** The person, or the browser's settings, said no. */
  | 'MEDIA_DENIED'
  /** Another program has it. */
  | 'DEVICE_BUSY'
  /** The page is not served over https, or the browser cannot. */
  | 'NO_MEDIA';

export interface Choice {
  microphone?: string;
  camera?: string;
  output?: string;
  noiseSuppression: boolean;
  blur: boolean;
}

export interface Devices {
  microphones: MediaDeviceInfo[];
  cameras: MediaDeviceInfo[];
  outputs: MediaDeviceInfo[];
}

const STORED = 'mesh-call-devices';

export function storedChoice(): Choice {
  const fallback = { noiseSuppression: true, blur: false };
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(STORED) ?? '{}');
    return { ...fallback, ...(stored as Partial<Choice>) };
  } catch {
    return fallback;
  }
}

export function storeChoice(choice: Choice): void {
  try {
    localStorage.setItem(STORED, JSON.stringify(choice));
  } catch {
    // Storage is off: the choice lasts for this visit.
  }
}

export function faultOf(error: unknown): MediaFault {
  const name = error instanceof Error || error instanceof DOMException ? error.name : '';
  if (name === 'NotFoundError' || name === 'OverconstrainedError') return 'NO_DEVICE';
  if (name === 'NotAllowedError' || name === 'SecurityError') return 'MEDIA_DENIED';
  if (name === 'NotReadableError' || name === 'AbortError') return 'DEVICE_BUSY';
  return 'NO_MEDIA';
}

export async function openMicrophone(choice: Choice): Promise<MediaStreamTrack> {
  return open('audio', choice.microphone, {
    echoCancellation: true,
    autoGainControl: true,
    noiseSuppression: choice.noiseSuppression,
  });
}

export async function openCamera(choice: Choice): Promise<MediaStreamTrack> {
  const track = await open('video', choice.camera, {
    width: { ideal: 1280 },
    height: { ideal: 720 },
    frameRate: { ideal: 30, max: 30 },
  });
  if (choice.blur && canBlur(track)) await setBlur(track, true);
  return track;
}

async function open(
  kind: 'audio' | 'video',
  deviceId: string | undefined,
  constraints: MediaTrackConstraints,
): Promise<MediaStreamTrack> {
  const ask = async (wanted: MediaTrackConstraints) => {
    if (!navigator.mediaDevices?.getUserMedia)
      throw new DOMException('no media devices', 'NotSupportedError');
    const [track] = (await navigator.mediaDevices.getUserMedia({ [kind]: wanted })).getTracks();
    if (!track) throw new DOMException('no track', 'NotFoundError');
    return track;
  };
  if (!deviceId) return ask(constraints);
  try {
    return await ask({ ...constraints, deviceId: { exact: deviceId } });
  } catch (error) {
    // The one that was chosen is not plugged in today: any other is better than none.
    if (faultOf(error) === 'NO_DEVICE') return ask(constraints);
    throw error;
  }
}

export async function listDevices(): Promise<Devices> {
  const all = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
  // Before permission was given, browsers tell of devices without a name: nothing to choose from yet.
  const of = (kind: MediaDeviceKind) =>
    all.filter((device) => device.kind === kind && device.deviceId !== '');
  return { microphones: of('audioinput'), cameras: of('videoinput'), outputs: of('audiooutput') };
}

/** Calls with what is plugged in, now and at each change. Returns the end of it. */
export function watchDevices(changed: () => void): () => void {
  navigator.mediaDevices?.addEventListener?.('devicechange', changed);
  return () => navigator.mediaDevices?.removeEventListener?.('devicechange', changed);
}

export function canChooseOutput(): boolean {
  return typeof HTMLMediaElement !== 'undefined' && 'setSinkId' in HTMLMediaElement.prototype;
}

export function canShareScreen(): boolean {
  return typeof navigator.mediaDevices?.getDisplayMedia === 'function';
}

type WithBlur = MediaTrackCapabilities & { backgroundBlur?: boolean[] };

/** Where the browser or the camera blurs by itself; no model is loaded for it. */
export function canBlur(track: MediaStreamTrack | undefined): boolean {
  const offered = (track?.getCapabilities?.() as WithBlur | undefined)?.backgroundBlur;
  return offered?.includes(true) ?? false;
}

export async function setBlur(track: MediaStreamTrack, on: boolean): Promise<void> {
  await track.applyConstraints({ advanced: [{ backgroundBlur: on } as MediaTrackConstraintSet] });
}
