// How far this browser's person has read in each room, so that what came while no page was open counts as unread.

const STORED = 'mesh-read';
/** Rooms that are remembered; the one that was not read for longest goes first. */
const MOST = 200;

export interface ReadMarks {
  /** The `seq` of the last message that was in sight; undefined in a room that is new to this browser. */
  get: (roomId: string) => number | undefined;
  set: (roomId: string, seq: number) => void;
  clear: () => void;
}

function stored(): Record<string, number> {
  try {
    const marks: unknown = JSON.parse(localStorage.getItem(STORED) ?? '{}');
    return typeof marks === 'object' && marks !== null ? (marks as Record<string, number>) : {};
  } catch {
    return {};
  }
}

export const readMarks: ReadMarks = {
  get(roomId) {
    const seq = stored()[roomId];
    return typeof seq === 'number' ? seq : undefined;
  },

  set(roomId, seq) {
    const { [roomId]: before, ...others } = stored();
    if (typeof before === 'number' && before >= seq) return;
    const kept = [...Object.entries(others), [roomId, seq] as const].slice(-MOST);
    try {
      localStorage.setItem(STORED, JSON.stringify(Object.fromEntries(kept)));
    } catch {
      // Storage is off: unread is what comes while the page is open.
    }
  },

  clear() {
    try {
      localStorage.removeItem(STORED);
    } catch {
      // Nothing was stored either.
    }
  },
};
