// The part that pulls in xterm: loaded on demand through terminal.ts, never with the first screen.

import '@xterm/xterm/css/xterm.css';
import './terminalFont.css';
import './terminalEcho.css';
import { SearchAddon } from '@xterm/addon-search';
import { Unicode11Addon } from '@xterm/addon-unicode11';
import { WebLinksAddon } from '@xterm/addon-web-links';
import { WebglAddon } from '@xterm/addon-webgl';
import { type ITerminalInitOnlyOptions, type ITerminalOptions, Terminal } from '@xterm/xterm';
import { safeHref } from './links';
import { EchoView } from './terminalEchoView';

const THEME = {
  background: '#0f1416',
  foreground: '#d7dfe0',
  cursor: '#3fd0b6',
  cursorAccent: '#0f1416',
  selectionBackground: '#2b5f5780',
  black: '#1c2427',
  red: '#ef6f6c',
  green: '#7bc275',
  yellow: '#e3b75f',
  blue: '#6aa6f0',
  magenta: '#c58ae8',
  cyan: '#4fc4cf',
  white: '#c8d1d3',
  brightBlack: '#65757a',
  brightRed: '#ff8f8b',
  brightGreen: '#9bdc92',
  brightYellow: '#f6d184',
  brightBlue: '#90c0ff',
  brightMagenta: '#dbaaf7',
  brightCyan: '#7ee0e8',
  brightWhite: '#f4f8f8',
};
const SCROLLBACK_LINES = 5_000;
/** Finds that are counted and marked; past that there are "more". */
const MAX_FOUND = 1_000;
/** Operating-system command 52 writes to the clipboard: never on behalf of somebody else's program. */
const OSC_CLIPBOARD = 52;

/** `onLink` gets the addresses, http and https only, that somebody clicks. */
export function createTerminal(
  element: HTMLElement,
  options: ITerminalOptions & ITerminalInitOnlyOptions,
  onLink: (address: string) => void,
) {
  const activate = (_event: MouseEvent, address: string) => {
    const href = safeHref(address);
    // Who drags over an address selects it.
    if (href && !term.hasSelection()) onLink(href);
  };
  const term = new Terminal({
    ...options,
    theme: THEME,
    scrollback: SCROLLBACK_LINES,
    allowProposedApi: true,
    convertEol: false,
    minimumContrastRatio: 3,
    linkHandler: { activate },
  });
  term.loadAddon(new Unicode11Addon());
  term.unicode.activeVersion = '11';
  term.loadAddon(new WebLinksAddon(activate));
  const search = new SearchAddon({ highlightLimit: MAX_FOUND });
  term.loadAddon(search);
  term.parser.registerOscHandler(OSC_CLIPBOARD, () => true);
  term.open(element);
  try {
    const webgl = new WebglAddon();
    // The browser may take the context away (sleep, too many of them): xterm then draws without it.
    webgl.onContextLoss(() => webgl.dispose());
    term.loadAddon(webgl);
  } catch (error) {
    console.debug('terminal without WebGL', error);
  }
  return { term, search, echo: new EchoView(term), cell: () => cellOf(term) };
}

/** xterm tells nobody how large a character is; its own fit add-on reads it here, too. */
function cellOf(term: Terminal): { width: number; height: number } | undefined {
  const { _core } = term as unknown as {
    _core: { _renderService: { dimensions: { css: { cell: { width: number; height: number } } } } };
  };
  const { cell } = _core._renderService.dimensions.css;
  return cell.width > 0 && cell.height > 0 ? cell : undefined;
}
