// Fingers on a terminal: one pans, with some momentum; two zoom. The mouse is not touched: xterm selects with it.

interface Point {
  x: number;
  y: number;
}

interface Touched {
  /** By so many pixels the content follows the finger. False where it is at its end. */
  pan: (dx: number, dy: number) => boolean;
  /** Two fingers came down, with their middle there. */
  pinchStart: (middle: Point) => void;
  /** They are so many times as far from each other as when they came down. */
  pinch: (ratio: number, middle: Point) => void;
  /** The first finger came down, or the last movement has ended. */
  held: (held: boolean) => void;
}

/** Momentum loses two thirds of its speed in this time. */
const FADE_MS = 325;
const STILL_PX_PER_MS = 0.02;
/** A finger that rested so long before it left throws nothing. */
const REST_MS = 60;

/** Returns what ends the momentum. */
export function onTouch(element: HTMLElement, touched: Touched): () => void {
  const fingers = new Map<number, Point>();
  let speed = { x: 0, y: 0 };
  let movedAt = 0;
  let gliding: number | undefined;
  let spread = 0;

  const at = (event: PointerEvent): Point => ({ x: event.clientX, y: event.clientY });

  function two(): { middle: Point; distance: number } | undefined {
    const [a, b] = [...fingers.values()];
    if (!a || !b) return undefined;
    return {
      middle: { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 },
      distance: Math.max(1, Math.hypot(a.x - b.x, a.y - b.y)),
    };
  }

  function down(event: PointerEvent): void {
    if (event.pointerType !== 'touch') return;
    if (gliding !== undefined) cancelAnimationFrame(gliding);
    else if (fingers.size === 0) touched.held(true);
    gliding = undefined;
    speed = { x: 0, y: 0 };
    movedAt = event.timeStamp;
    fingers.set(event.pointerId, at(event));
    const both = two();
    if (!both) return;
    spread = both.distance;
    touched.pinchStart(both.middle);
  }

  function move(event: PointerEvent): void {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const now = at(event);
    fingers.set(event.pointerId, now);
    const both = two();
    if (both) {
      touched.pinch(both.distance / spread, both.middle);
      return;
    }
    const [dx, dy] = [now.x - before.x, now.y - before.y];
    const elapsed = Math.max(1, event.timeStamp - movedAt);
    movedAt = event.timeStamp;
    // Half of it is what was before: a finger trembles.
    speed = { x: (speed.x + dx / elapsed) / 2, y: (speed.y + dy / elapsed) / 2 };
    touched.pan(dx, dy);
  }

  function up(event: PointerEvent): void {
    if (!fingers.delete(event.pointerId) || fingers.size > 0) return;
    const thrown = event.type === 'pointerup' && event.timeStamp - movedAt < REST_MS;
    if (thrown && !matchMedia('(prefers-reduced-motion: reduce)').matches) glide(performance.now());
    else touched.held(false);
  }

  function glide(before: number): void {
    gliding = requestAnimationFrame((now) => {
      const elapsed = Math.max(1, now - before);
      const moved = touched.pan(speed.x * elapsed, speed.y * elapsed);
      const fade = Math.exp(-elapsed / FADE_MS);
      speed = { x: speed.x * fade, y: speed.y * fade };
      if (moved && Math.hypot(speed.x, speed.y) > STILL_PX_PER_MS) glide(now);
      else still();
    });
  }

  function still(): void {
    if (gliding === undefined) return;
    cancelAnimationFrame(gliding);
    gliding = undefined;
    touched.held(false);
  }

  element.addEventListener('pointerdown', down);
  element.addEventListener('pointermove', move);
  element.addEventListener('pointerup', up);
  element.addEventListener('pointercancel', up);
  return still;
}
