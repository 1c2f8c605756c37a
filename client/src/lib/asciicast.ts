// Recordings of terminals: asciicast, versions 2 and 3 (docs.asciinema.org/manual/asciicast). One JSON header, then one JSON
// array a line. Somebody else's file: everything is checked, and what is unknown is passed over.

interface CastEvent {
  /** Seconds from the beginning; long waits are as short as `idleLimit`. */
  at: number;
  kind: 'output' | 'resize' | 'marker';
  /** The output, the size as `80x24`, or the marker's label. */
  data: string;
}

export interface Cast {
  cols: number;
  rows: number;
  title: string;
  /** Unix seconds, where the recording says. */
  recordedAt: number | undefined;
  events: CastEvent[];
  duration: number;
}

/** Why a file is no recording that can be played. */
export class NotACast extends Error {}

const KINDS: Record<string, CastEvent['kind']> = { o: 'output', r: 'resize', m: 'marker' };
const MAX_SIDE = 1_000;
/** Nobody waits longer, unless the recording itself says so. */
const IDLE_LIMIT_S = 2;

export function parseCast(text: string): Cast {
  const lines = text.split('\n');
  const header = record(parse(lines[0] ?? ''));
  if (header?.version !== 2 && header?.version !== 3) throw new NotACast('no asciicast of version 2 or 3');
  const relative = header.version === 3;
  const term = relative ? record(header.term) : undefined;
  const cols = side(relative ? term?.cols : header.width);
  const rows = side(relative ? term?.rows : header.height);
  if (!cols || !rows) throw new NotACast('the size of the terminal is missing');
  const limit = positive(header.idle_time_limit) ?? IDLE_LIMIT_S;
  const events: CastEvent[] = [];
  let [at, before] = [0, 0];
  for (const line of lines.slice(1)) {
    // A recording that was cut off ends in half a line.
    const event = line === '' || line.startsWith('#') ? undefined : parse(line);
    if (!Array.isArray(event)) continue;
    const [time, code, data] = event as unknown[];
    if (typeof time !== 'number' || !(time >= 0)) continue;
    at += Math.min(limit, relative ? time : Math.max(0, time - before));
    if (!relative) before = Math.max(before, time);
    const kind = typeof code === 'string' ? KINDS[code] : undefined;
    if (kind && typeof data === 'string') events.push({ at, kind, data });
  }
  return {
    cols,
    rows,
    title: typeof header.title === 'string' ? header.title : '',
    recordedAt: positive(header.timestamp),
    events,
    duration: at,
  };
}

/** The size that a resize names. */
export function sizeOf(data: string): { cols: number; rows: number } | undefined {
  const [cols, rows] = data.split('x').map((one) => side(Number(one)));
  return cols && rows ? { cols, rows } : undefined;
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function record(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
}

function side(value: unknown): number | undefined {
  return Number.isInteger(value) && (value as number) > 0 && (value as number) <= MAX_SIDE
    ? (value as number)
    : undefined;
}

function positive(value: unknown): number | undefined {
  return typeof value === 'number' && value > 0 ? value : undefined;
}
