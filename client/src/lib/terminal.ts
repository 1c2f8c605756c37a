// A terminal's screen: xterm with the host's size, its font scaled to the space at hand, output in order with
// acknowledgements, and input only while this page holds control. xterm itself is loaded when the first screen opens.

import type { FitAddon } from '@xterm/addon-fit';
import type { Terminal } from '@xterm/xterm';
import type { Frame } from '../protocol/frames';

const ACK_EVERY_BYTES = 32 * 1024;
const ACK_AFTER_MS = 50;
const MAX_INPUT_BYTES = 32 * 1024;
const FONT = '"JetBrains Mono Variable", ui-monospace, "SFMono-Regular", Menlo, Consolas, monospace';
const FONT_DEFAULT_PX = 14;
const FONT_MIN_PX = 5;
const FONT_MAX_PX = 18;

interface ScreenEvents {
  send: (frame: Frame) => void;
  size: (cols: number, rows: number) => void;
  /** Somebody typed without holding control. */
  refusedInput: () => void;
}

interface Loaded {
  term: Terminal;
  fit: FitAddon;
}

type Output = { bytes: Uint8Array; upTo: number } | { cols: number; rows: number; reset: boolean };

export class TerminalScreen {
  /** xterm's own element: it moves between the page's containers with its content. */
  readonly element = document.createElement('div');
  private loaded: Loaded | undefined;
  private loading: Promise<void> | undefined;
  private readonly backlog: Output[] = [];
  private cols = 80;
  private rows = 24;
  private next = 0;
  private shown = 0;
  private acked = 0;
  private ackTimer: number | undefined;
  private epoch: number | undefined;
  private readerMode = false;
  private ctrlArmed: ((used: boolean) => void) | undefined;
  private disposed = false;
  private follow = false;

  constructor(private readonly events: ScreenEvents) {
    this.element.className = 'mesh-terminal-screen';
  }

  /** Puts the screen into a container; call again after it was moved. */
  async attach(container: HTMLElement): Promise<void> {
    container.append(this.element);
    this.loading ??= this.load();
    await this.loading;
    this.fitFont();
  }

  detach(): void {
    this.element.remove();
  }

  dispose(): void {
    this.disposed = true;
    window.clearTimeout(this.ackTimer);
    this.element.remove();
    this.loaded?.term.dispose();
    this.loaded = undefined;
    this.backlog.length = 0;
  }

  focus(): void {
    this.loaded?.term.focus();
  }

  /** Frames of the terminal that concern the screen. */
  frame(frame: Frame): void {
    if (frame.type === 'TERM_SNAPSHOT') {
      if (frame.first) this.put({ cols: frame.cols, rows: frame.rows, reset: true });
      // Parts of a snapshot all stand for one position; only the last one may be acknowledged with it.
      this.put({ bytes: frame.bytes, upTo: frame.last ? frame.seq : -1 });
      if (frame.last) this.next = frame.seq;
    } else if (frame.type === 'TERM_OUT') {
      // What a snapshot already showed is not shown again.
      const skip = Math.max(0, this.next - frame.seq);
      if (skip >= frame.bytes.length) return;
      this.next = frame.seq + frame.bytes.length;
      this.put({ bytes: frame.bytes.subarray(skip), upTo: this.next });
    } else if (frame.type === 'TERM_RESIZE') {
      this.put({ cols: frame.cols, rows: frame.rows, reset: false });
    }
  }

  /** The lease's epoch while this page controls, else undefined. */
  setControl(epoch: number | undefined): void {
    this.epoch = epoch;
    if (epoch === undefined) this.follow = false;
    if (this.loaded) this.loaded.term.options.cursorBlink = epoch !== undefined;
  }

  /** Typing from the key bar. */
  input(text: string): void {
    this.type(text);
    this.focus();
  }

  /** The next typed letter is sent as Ctrl+letter; `used` tells when that happened. */
  armCtrl(used: ((used: boolean) => void) | undefined): void {
    this.ctrlArmed = used;
  }

  setScreenReaderMode(on: boolean): void {
    this.readerMode = on;
    if (this.loaded) this.loaded.term.options.screenReaderMode = on;
  }

  /** While in control: ask the host for the size that fills this window at the usual font. */
  setFollowWindow(on: boolean): void {
    this.follow = on;
    this.fitFont();
  }

  /** The container's size changed. */
  fitFont(): void {
    const { term, fit } = this.loaded ?? {};
    if (!term || !fit || !this.element.isConnected) return;
    if (this.follow && this.epoch !== undefined) {
      term.options.fontSize = FONT_DEFAULT_PX;
      const size = fit.proposeDimensions();
      if (size && size.cols > 1 && size.rows > 1 && (size.cols !== this.cols || size.rows !== this.rows))
        this.events.send({ type: 'TERM_RESIZE', epoch: this.epoch, cols: size.cols, rows: size.rows });
      return;
    }
    // The host's size wins: find the font at which it fits. Two rounds, since cells are rounded to whole pixels.
    for (let round = 0; round < 2; round++) {
      const size = fit.proposeDimensions();
      const font = term.options.fontSize ?? FONT_DEFAULT_PX;
      if (!size?.cols || !size.rows) return;
      const scale = Math.min((size.cols + 0.9) / this.cols, (size.rows + 0.9) / this.rows);
      const wanted = Math.floor(Math.min(FONT_MAX_PX, Math.max(FONT_MIN_PX, font * scale)) * 4) / 4;
      if (Math.abs(wanted - font) < 0.2) break;
      term.options.fontSize = wanted;
    }
    const size = fit.proposeDimensions();
    const font = term.options.fontSize ?? FONT_DEFAULT_PX;
    if (size && font > FONT_MIN_PX && (size.cols < this.cols || size.rows < this.rows))
      term.options.fontSize = Math.max(FONT_MIN_PX, font - 0.5);
  }

  private put(output: Output): void {
    if (this.disposed) return;
    if (this.loaded) this.show(output);
    // Bounded by the host, which stops at 512 KiB without an acknowledgement.
    else this.backlog.push(output);
  }

  private show(output: Output): void {
    const term = this.loaded?.term;
    if (!term) return;
    if ('cols' in output) {
      if (output.reset) term.reset();
      this.cols = output.cols;
      this.rows = output.rows;
      if (term.cols !== output.cols || term.rows !== output.rows) term.resize(output.cols, output.rows);
      this.events.size(output.cols, output.rows);
      this.fitFont();
      return;
    }
    term.write(output.bytes, () => {
      if (output.upTo >= 0) this.acknowledge(output.upTo);
    });
  }

  private acknowledge(upTo: number): void {
    this.shown = Math.max(this.shown, upTo);
    if (this.shown - this.acked >= ACK_EVERY_BYTES) this.sendAck();
    else this.ackTimer ??= window.setTimeout(() => this.sendAck(), ACK_AFTER_MS);
  }

  private sendAck(): void {
    window.clearTimeout(this.ackTimer);
    this.ackTimer = undefined;
    if (this.disposed || this.shown === this.acked) return;
    this.acked = this.shown;
    this.events.send({ type: 'TERM_ACK', seq: this.shown });
  }

  private type(text: string): void {
    if (this.epoch === undefined) {
      this.events.refusedInput();
      return;
    }
    let typed = text;
    if (this.ctrlArmed && /^[a-z@[\\\]^_ ]$/i.test(text)) {
      typed = String.fromCharCode(text.toUpperCase().charCodeAt(0) & 0x1f);
      this.ctrlArmed(true);
      this.ctrlArmed = undefined;
    }
    const bytes = new TextEncoder().encode(typed);
    for (let at = 0; at < bytes.length; at += MAX_INPUT_BYTES)
      this.events.send({
        type: 'TERM_IN',
        epoch: this.epoch,
        bytes: bytes.subarray(at, at + MAX_INPUT_BYTES),
      });
  }

  private async load(): Promise<void> {
    const [{ createTerminal }] = await Promise.all([
      import('./xterm'),
      document.fonts?.load(`14px ${FONT}`).catch(() => {}),
    ]);
    if (this.disposed) return;
    this.loaded = createTerminal(this.element, {
      fontFamily: FONT,
      fontSize: FONT_DEFAULT_PX,
      cols: this.cols,
      rows: this.rows,
      screenReaderMode: this.readerMode,
      cursorBlink: this.epoch !== undefined,
    });
    this.loaded.term.onData((text) => this.type(text));
    for (const output of this.backlog.splice(0)) this.show(output);
  }
}
