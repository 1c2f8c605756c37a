// A picture that is looked at closely: how large, and which part. Places are fractions of the box it is shown in.

export interface Zoom {
  scale: number;
  /** Where the picture's middle is, from the box's middle, in box widths and heights. */
  x: number;
  y: number;
}

export const WHOLE: Zoom = { scale: 1, x: 0, y: 0 };
const MOST = 8;

/** Never so far that the picture leaves its box. */
function within({ scale, x, y }: Zoom): Zoom {
  const room = (scale - 1) / 2;
  const keep = (value: number) => Math.max(-room, Math.min(room, value)) || 0;
  return { scale, x: keep(x), y: keep(y) };
}

/** Larger or smaller, with what is at that place (from the middle, -0.5 to 0.5) staying there. */
export function zoomAt(zoom: Zoom, factor: number, at: { x: number; y: number } = { x: 0, y: 0 }): Zoom {
  const scale = Math.max(1, Math.min(MOST, zoom.scale * factor));
  const ratio = scale / zoom.scale;
  return within({ scale, x: at.x - (at.x - zoom.x) * ratio, y: at.y - (at.y - zoom.y) * ratio });
}

export function panBy(zoom: Zoom, x: number, y: number): Zoom {
  return within({ ...zoom, x: zoom.x + x, y: zoom.y + y });
}

interface Box {
  width: number;
  height: number;
}

/** Where the picture is within the box that it is fitted into, in the box's own units. */
export function fitted(box: Box, picture: Box): Box & { left: number; top: number } {
  const scale = Math.min(box.width / picture.width, box.height / picture.height) || 0;
  const width = picture.width * scale;
  const height = picture.height * scale;
  return { left: (box.width - width) / 2, top: (box.height - height) / 2, width, height };
}

/** The place in the picture under a place in the box, both as fractions; undefined beside the picture. */
export function pictureAt(
  box: Box,
  picture: Box,
  zoom: Zoom,
  at: { x: number; y: number },
): { x: number; y: number } | undefined {
  const area = fitted(box, picture);
  if (area.width === 0 || area.height === 0) return undefined;
  const inBox = (value: number, shift: number) => (value - 0.5 - shift) / zoom.scale + 0.5;
  const x = (inBox(at.x, zoom.x) * box.width - area.left) / area.width;
  const y = (inBox(at.y, zoom.y) * box.height - area.top) / area.height;
  return x >= 0 && x <= 1 && y >= 0 && y <= 1 ? { x, y } : undefined;
}
