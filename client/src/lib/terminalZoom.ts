// How large a terminal is drawn, and which part of it is in view where it is larger than its place. Numbers, in CSS
// pixels: terminal.ts measures and applies.

/** `auto` fits it all, but on a small screen stays readable; `fit` fits at any price; a number is a font size. */
export type Zoom = 'auto' | 'fit' | number;

/** What people may choose. */
export const FONT_CHOSEN = { min: 6, max: 32 };
/** What fitting may choose. */
const FONT_FITTED = { min: 5, max: 18 };
/** Below this a phone's terminal is a pattern, not a text. */
const FONT_READABLE = 11;
/** A letter's width by its font: 0.6 as it was drawn, and pressed by no more than a twentieth into whole pixels. */
const NARROWEST = 0.57;
/** Fonts in quarters of a pixel: finer steps change nothing but cost a redraw. */
const STEPS_PER_PX = 4;

export interface Size {
  width: number;
  height: number;
}

export interface Fitting {
  zoom: Zoom;
  /** A phone, in either orientation. */
  small: boolean;
  cols: number;
  rows: number;
  space: Size;
  /** A character at some font. Renderers round it to whole pixels of the screen, so that it cannot be calculated. */
  cellAt: (font: number) => Size;
}

/** The largest font that fits, whatever the present one is: the same space always gives the same font. */
export function fittingFont({ zoom, small, cols, rows, space, cellAt }: Fitting): number {
  if (typeof zoom === 'number') return clamp(zoom, FONT_CHOSEN);
  // A phone whose keyboard is open has no height worth fitting into.
  const anyHeight = small && zoom === 'fit';
  const fits = (font: number) => {
    const { width, height } = cellAt(font);
    return (
      cols * Math.max(width, NARROWEST * font) <= space.width && (anyHeight || rows * height <= space.height)
    );
  };
  const min = small && zoom === 'auto' ? FONT_READABLE : FONT_FITTED.min;
  let [fitting, tooLarge] = [min * STEPS_PER_PX, FONT_FITTED.max * STEPS_PER_PX + 1];
  while (tooLarge - fitting > 1) {
    const middle = Math.floor((fitting + tooLarge) / 2);
    if (fits(middle / STEPS_PER_PX)) fitting = middle;
    else tooLarge = middle;
  }
  return fitting / STEPS_PER_PX;
}

/** The next whole size from a font that fitting or two fingers chose. */
export function stepped(font: number, step: 1 | -1): number {
  return clamp(step > 0 ? Math.floor(font) + 1 : Math.ceil(font) - 1, FONT_CHOSEN);
}

/** After two fingers: halves of a pixel. */
export function pinched(font: number, ratio: number): number {
  return clamp(Math.round(font * ratio * 2) / 2, FONT_CHOSEN);
}

/**
 * The scroll position of one axis that has `from`…`to` in view: the present one where it is. A line that grows beyond the
 * end is followed with `ahead` to spare; back from there, as much of its beginning as possible comes into view.
 */
export function inView(scroll: number, view: number, from: number, to: number, ahead: number): number {
  if (from >= scroll && to <= scroll + view) return scroll;
  if (to > scroll + view) return Math.min(from, to - view + ahead);
  return Math.max(0, to - view);
}

function clamp(value: number, { min, max }: { min: number; max: number }): number {
  return Math.min(max, Math.max(min, value));
}

/** A phone, upright or not: fitting a whole shell into it would leave nothing to read. */
const SMALL = '(max-width: 36em), (max-height: 30em)';

export function isSmall(): boolean {
  return matchMedia(SMALL).matches;
}
