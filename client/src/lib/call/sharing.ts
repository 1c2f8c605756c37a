// What a page sends to each of the others, so that all of it together fits what it can encode and upload: in a mesh every
// further person costs every sender one more picture.

import type { Kind } from './mediaLink';

/** Bits per second of all pictures together. */
const VIDEO_BUDGET = 2_400_000;
const VIDEO_MOST = 1_500_000;
const VIDEO_LEAST = 120_000;
const AUDIO_BITRATE = 40_000;
const AUDIO_BITRATE_OF_MANY = 24_000;
/** From so many others on, voices take the smaller rate too. */
const MANY = 4;
const SCREEN_BUDGET = 6_000_000;
const SCREEN_MOST = 3_000_000;

/** The people of one call, oneself included: what two cores carry, and still a grid that one can look at. */
export const MAX_PEOPLE = 8;

export interface Limits {
  audioBitrate: number;
  videoBitrate: number;
  frameRate: number;
  /** The picture's height at most; it is scaled down by whole numbers' quotients where it is higher. */
  height: number;
  /** What is kept while there is less than it takes. */
  prefer: 'resolution' | 'framerate';
}

export function callLimits(others: number): Limits {
  const each = Math.max(VIDEO_LEAST, Math.min(VIDEO_MOST, Math.floor(VIDEO_BUDGET / Math.max(1, others))));
  return {
    audioBitrate: others >= MANY ? AUDIO_BITRATE_OF_MANY : AUDIO_BITRATE,
    videoBitrate: each,
    frameRate: others >= 5 ? 15 : others >= 3 ? 20 : 30,
    height: others <= 1 ? 720 : others <= 3 ? 360 : others <= 5 ? 270 : 180,
    prefer: 'framerate',
  };
}

export function screenLimits(viewers: number, mode: 'detail' | 'motion'): Limits {
  const each = Math.min(SCREEN_MOST, Math.floor(SCREEN_BUDGET / Math.max(1, viewers)));
  return {
    audioBitrate: 64_000,
    videoBitrate: each,
    frameRate: mode === 'detail' ? 10 : 30,
    height: mode === 'detail' ? 2160 : 1080,
    prefer: mode === 'detail' ? 'resolution' : 'framerate',
  };
}

/** How much smaller than the source the picture is sent. */
export function scaleFor(sourceHeight: number | undefined, height: number): number {
  return sourceHeight && sourceHeight > height ? sourceHeight / height : 1;
}

export async function sendLimits(sender: RTCRtpSender, kind: Kind, limits: Limits): Promise<void> {
  const parameters = sender.getParameters();
  const [encoding] = parameters.encodings ?? [];
  // Before the first negotiation some browsers have none: it is called again after it.
  if (!encoding) return;
  if (kind === 'audio') {
    encoding.maxBitrate = limits.audioBitrate;
  } else {
    encoding.maxBitrate = limits.videoBitrate;
    encoding.maxFramerate = limits.frameRate;
    encoding.scaleResolutionDownBy = scaleFor(sender.track?.getSettings().height, limits.height);
    parameters.degradationPreference = `maintain-${limits.prefer}`;
  }
  await sender.setParameters(parameters);
}
