// Predictive echo, after Mosh: on a slow path, what somebody types stands there at once, marked, until the host has echoed
// it. No DOM and no clock: the screen and the time are passed in.
//
// A prediction shows only once the host was seen to echo what was typed on this very line, so that a password never shows:
// until then predictions are made and compared, but not shown. Any key but a printable one or a backspace, any cursor that
// goes where nothing was predicted, and any wait that is too long end this trust.

/** The line where the cursor stands, as the host has sent it. */
export interface EchoLine {
  /** The cursor; `y` counts from the oldest line. */
  x: number;
  y: number;
  cols: number;
  /** A program that has the whole screen: nothing is predicted. */
  alternate: boolean;
  /** The character of that line at a column; a space where there is none. */
  at: (x: number) => string;
}

/** What is to be shown over the screen. */
export interface Predicted {
  y: number;
  cells: { x: number; char: string }[];
  /** Where the cursor will be. */
  cursor: number;
}

/** One character wide in every terminal. A soft hyphen is none. */
const PREDICTABLE = /^[\x20-\x7e\u00a0-\u00ac\u00ae-\u024f]$/;
const BACKSPACE = /^[\x7f\b]$/;
/** More at once was pasted, not typed. */
const MAX_TYPED = 8;
/** More than this unanswered is no typing on a slow path, but a host that does not answer. */
const MAX_WAITING = 200;
/** A path this slow gets predictions, until it is this fast again. */
const SLOW_MS = 60;
const FAST_MS = 40;
/** How long an echo may take beyond two round trips. */
const PATIENCE_MS = 300;

interface Key {
  x: number;
  char: string;
  /** The cursor's column after it. */
  after: number;
  at: number;
}

export class EchoPredictor {
  /** Typed and not yet echoed, in order; bounded by MAX_WAITING, past which all are given up. */
  private keys: Key[] = [];
  /** The cursor before the first of them; without any, where it is expected to stay. */
  private base = { x: 0, y: 0 };
  private trusted = false;
  /** Where typing began that the host echoed: no backspace is predicted beyond. */
  private floor = 0;
  /** After a key whose effect nobody can predict: until the host had time to answer it, and did. */
  private blind: { until: number; answered: boolean } | undefined;
  private rttMs = 0;
  private slow = false;

  /** The path's round trip, as it is measured now. */
  path(rttMs: number): void {
    this.rttMs = rttMs;
    if (rttMs > SLOW_MS) this.slow = true;
    else if (rttMs < FAST_MS) this.slow = false;
  }

  typed(text: string, line: EchoLine, now: number): void {
    const characters = [...text];
    if (line.alternate || characters.length > MAX_TYPED) {
      this.lose(now);
      return;
    }
    for (const char of characters) {
      if (this.blind?.answered && now >= this.blind.until) this.blind = undefined;
      const plain = PREDICTABLE.test(char) || BACKSPACE.test(char);
      if (plain && this.blind) continue;
      const key = plain ? this.predict(char, line, now) : undefined;
      if (!key) {
        this.lose(now);
        return;
      }
      this.keys.push(key);
    }
  }

  /** Something of the host's was shown. */
  shown(line: EchoLine): void {
    if (this.blind) this.blind.answered = true;
    if (line.alternate || line.y !== this.base.y) {
      this.distrust();
      this.base = { x: line.x, y: line.y };
      return;
    }
    const echoed = this.echoed(line);
    if (echoed > 0) {
      const credit = [...this.composed(echoed).values()].some((char) => char !== ' ');
      if (credit && !this.trusted) {
        this.trusted = true;
        this.floor = this.base.x;
      }
      this.keys.splice(0, echoed);
      this.base = { x: line.x, y: line.y };
    } else if (line.x !== this.base.x) {
      // The cursor went where nothing of what was typed leads: a completion, a prompt, a question for a password.
      this.distrust();
      this.base = { x: line.x, y: line.y };
    }
  }

  /** Predictions that nobody answered for too long were wrong. */
  expire(now: number): void {
    const [oldest] = this.keys;
    if (oldest && now - oldest.at >= this.patience) this.distrust();
  }

  /** When to look again whether they are too old; nothing while there are none. */
  get expiresAt(): number | undefined {
    const [oldest] = this.keys;
    return oldest && oldest.at + this.patience;
  }

  /** The screen is another one: resized, drawn anew, or of another session. */
  reset(): void {
    this.distrust();
    this.blind = undefined;
  }

  get predicted(): Predicted | undefined {
    const last = this.keys.at(-1);
    if (!last || !this.trusted || !this.slow) return undefined;
    const cells = [...this.composed(this.keys.length)].map(([x, char]) => ({ x, char }));
    return { y: this.base.y, cells: cells.sort((a, b) => a.x - b.x), cursor: last.after };
  }

  private get patience(): number {
    return 2 * this.rttMs + PATIENCE_MS;
  }

  private predict(char: string, line: EchoLine, now: number): Key | undefined {
    if (this.keys.length >= MAX_WAITING) return undefined;
    if (this.keys.length === 0) this.base = { x: line.x, y: line.y };
    const x = this.keys.at(-1)?.after ?? line.x;
    if (!this.blankFrom(x, line)) return undefined;
    if (BACKSPACE.test(char)) {
      // Of a line that the host was not seen to echo, nobody knows where it begins.
      const floor = this.trusted ? this.floor : this.base.x;
      return x > floor ? { x: x - 1, char: ' ', after: x - 1, at: now } : undefined;
    }
    // The last column wraps in ways of its own.
    if (x >= line.cols - 1) return undefined;
    return { x, char, after: x + 1, at: now };
  }

  /** Whether typing here only adds to the line's end. */
  private blankFrom(from: number, line: EchoLine): boolean {
    const typed = this.composed(this.keys.length);
    for (let x = from; x < line.cols; x++) if ((typed.get(x) ?? line.at(x)) !== ' ') return false;
    return true;
  }

  /** How many of the keys the screen shows as echoed: the cursor is where they lead, and their characters stand there. */
  private echoed(line: EchoLine): number {
    for (let count = this.keys.length; count > 0; count--) {
      if (this.keys[count - 1]?.after !== line.x) continue;
      if ([...this.composed(count)].every(([x, char]) => line.at(x) === char)) return count;
    }
    return 0;
  }

  /** What the first keys make of the line. */
  private composed(count: number): Map<number, string> {
    return new Map(this.keys.slice(0, count).map(({ x, char }) => [x, char === '\u00a0' ? ' ' : char]));
  }

  private lose(now: number): void {
    this.distrust();
    this.blind = { until: now + 2 * this.rttMs, answered: false };
  }

  private distrust(): void {
    this.keys = [];
    this.trusted = false;
  }
}
