import { beforeEach, describe, expect, it } from 'vitest';
import { type EchoLine, EchoPredictor } from './terminalEcho';

/** A host's line and cursor, and what it does with what arrives. */
class Host implements EchoLine {
  cells: string[] = [];
  x = 0;
  y = 7;
  cols = 40;
  alternate = false;

  constructor(prompt = '$ ') {
    this.print(prompt);
  }

  at = (x: number): string => this.cells[x] ?? ' ';

  print(text: string): void {
    for (const char of text) this.cells[this.x++] = char;
  }

  erase(): void {
    this.x -= 1;
    this.cells[this.x] = ' ';
  }

  line(prompt: string): void {
    this.cells = [];
    this.x = 0;
    this.y += 1;
    this.print(prompt);
  }
}

describe('predictive echo', () => {
  let host: Host;
  let echo: EchoPredictor;
  let now: number;
  const RTT = 200;

  beforeEach(() => {
    host = new Host();
    echo = new EchoPredictor();
    now = 1_000;
    echo.path(RTT);
  });

  const type = (text: string) => {
    for (const char of text) echo.typed(char, host, now);
  };
  const echoBack = (text: string) => {
    now += RTT;
    host.print(text);
    echo.shown(host);
  };
  /** The line as a person sees it: what is predicted over what is there. */
  const seen = () => {
    const cells = [...host.cells];
    for (const { x, char } of echo.predicted?.cells ?? []) cells[x] = char;
    return cells.join('').trimEnd();
  };
  const trust = () => {
    type('l');
    echoBack('l');
  };

  it('shows nothing before the host was seen to echo', () => {
    type('ls');
    expect(echo.predicted).toBeUndefined();
    echoBack('l');
    // Now it was: what is still on its way shows.
    expect(echo.predicted).toEqual({ y: 7, cells: [{ x: 3, char: 's' }], cursor: 4 });
    expect(seen()).toBe('$ ls');
    echoBack('s');
    expect(echo.predicted).toBeUndefined();
  });

  it('shows what is typed at once afterwards, and takes each away as it arrives', () => {
    trust();
    type('s -la');
    expect(seen()).toBe('$ ls -la');
    expect(echo.predicted?.cursor).toBe(8);
    echoBack('s -');
    expect(echo.predicted?.cells.map((cell) => cell.char).join('')).toBe('la');
    expect(seen()).toBe('$ ls -la');
    echoBack('la');
    expect(echo.predicted).toBeUndefined();
    expect(seen()).toBe('$ ls -la');
  });

  it('predicts backspaces down to where the typing began, and not beyond', () => {
    trust();
    type('s');
    type('\x7f\x7f');
    expect(seen()).toBe('$');
    expect(echo.predicted?.cursor).toBe(2);
    type('\x7f');
    expect(echo.predicted).toBeUndefined();
  });

  it('takes the echo of a character and of its removal for what they are', () => {
    trust();
    type('x\x7fs');
    echoBack('x');
    expect(seen()).toBe('$ ls');
    now += RTT;
    host.erase();
    host.print('s');
    echo.shown(host);
    expect(echo.predicted).toBeUndefined();
    type('t');
    expect(seen()).toBe('$ lst');
  });

  it('never shows a password', () => {
    trust();
    type('s\r');
    echoBack('s');
    host.line('Password: ');
    echo.shown(host);
    now += 5_000;
    for (const char of 'hunter2\x7f2') {
      type(char);
      now += 50;
      expect(echo.predicted).toBeUndefined();
    }
    now += 2_000;
    echo.expire(now);
    type('more');
    expect(echo.predicted).toBeUndefined();
  });

  it('never shows a password, also where the prompt comes without a new line', () => {
    trust();
    type('p');
    now += RTT;
    host.print('p Password: ');
    echo.shown(host);
    type('hunter2');
    expect(echo.predicted).toBeUndefined();
  });

  it('never shows a password that was typed before its prompt came', () => {
    trust();
    type('\r');
    type('hunter2');
    expect(echo.predicted).toBeUndefined();
    now += RTT;
    host.line('Password: ');
    echo.shown(host);
    type('!');
    expect(echo.predicted).toBeUndefined();
  });

  it('does not take stars for an echo', () => {
    type('h');
    echoBack('*');
    type('u');
    expect(echo.predicted).toBeUndefined();
  });

  it('does not take a character and its removal for an echo', () => {
    type('a\x7f');
    echo.shown(host);
    type('b');
    expect(echo.predicted).toBeUndefined();
  });

  it('takes away what was wrong, and learns anew', () => {
    trust();
    type('s');
    echoBack('xyz');
    expect(echo.predicted).toBeUndefined();
    type('t');
    expect(echo.predicted).toBeUndefined();
    echoBack('t');
    type('u');
    expect(seen()).toBe('$ lxyztu');
  });

  it('takes away what nobody answers', () => {
    trust();
    type('s');
    expect(echo.expiresAt).toBe(now + 2 * RTT + 300);
    echo.expire(now + 2 * RTT);
    expect(seen()).toBe('$ ls');
    echo.expire(now + 2 * RTT + 300);
    expect(echo.predicted).toBeUndefined();
    expect(echo.expiresAt).toBeUndefined();
  });

  it('is blind after Enter, a tab or an arrow until the host had time to answer', () => {
    for (const key of ['\r', '\t', '\x1b[A']) {
      echo.reset();
      trust();
      type(key);
      type('a');
      echoBack('a');
      type('b');
      expect(echo.predicted).toBeUndefined();
    }
  });

  it('learns a new line anew', () => {
    trust();
    type('\r');
    now += RTT;
    host.line('$ ');
    echo.shown(host);
    now += 2 * RTT;
    type('p');
    expect(echo.predicted).toBeUndefined();
    echoBack('p');
    type('w');
    expect(seen()).toBe('$ pw');
  });

  it('stays away from programs that have the whole screen', () => {
    trust();
    host.alternate = true;
    type('x');
    expect(echo.predicted).toBeUndefined();
    host.alternate = false;
    echo.reset();
    trust();
    type('s');
    expect(seen()).toBe('$ lls');
    host.alternate = true;
    echo.shown(host);
    expect(echo.predicted).toBeUndefined();
  });

  it('is cleared by another size or another screen', () => {
    trust();
    type('s');
    echo.reset();
    expect(echo.predicted).toBeUndefined();
    type('t');
    expect(echo.predicted).toBeUndefined();
  });

  it('does not predict in the middle of a line, nor in its last column, nor what is pasted', () => {
    trust();
    host.cells[host.x + 2] = 'z';
    type('s');
    expect(echo.predicted).toBeUndefined();

    const edge = new Host('$'.repeat(37));
    host = edge;
    echo.reset();
    trust();
    type('ab');
    expect(echo.predicted).toBeUndefined();

    host = new Host();
    echo.reset();
    trust();
    echo.typed('a long text from the clipboard', host, now);
    expect(echo.predicted).toBeUndefined();
  });

  it('shows on slow paths only, without flickering between the two', () => {
    echo.path(12);
    trust();
    type('s');
    expect(echo.predicted).toBeUndefined();
    echo.path(61);
    expect(seen()).toBe('$ ls');
    echo.path(45);
    expect(seen()).toBe('$ ls');
    echo.path(39);
    expect(echo.predicted).toBeUndefined();
  });
});
