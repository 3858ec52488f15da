// Where a picture lies in its window: how large, and by how much it was moved. Pure.

export interface View {
  /** Pixels of the screen for a pixel of the picture. */
  scale: number;
  /** Where the middle of the picture lies, from the middle of the window. */
  x: number;
  y: number;
}

export interface Box {
  width: number;
  height: number;
}

export const LARGEST = 16;

/** The scale at which the whole picture is seen; small ones are not enlarged. */
export function fitting(picture: Box, frame: Box): number {
  return Math.min(1, frame.width / picture.width, frame.height / picture.height);
}

/** Another scale, with the point of the picture under (x, y) staying where it is. */
export function zoomed(view: View, scale: number, x: number, y: number, least: number): View {
  const to = Math.min(LARGEST, Math.max(least, scale));
  const ratio = to / view.scale;
  return { scale: to, x: x - (x - view.x) * ratio, y: y - (y - view.y) * ratio };
}

/** The view moved so that no empty room is shown where there could be picture. */
export function held(view: View, picture: Box, frame: Box): View {
  const room = (size: number, whole: number): number => Math.max(0, (size * view.scale - whole) / 2);
  const [x, y] = [room(picture.width, frame.width), room(picture.height, frame.height)];
  return {
    scale: view.scale,
    x: Math.min(x, Math.max(-x, view.x)),
    y: Math.min(y, Math.max(-y, view.y)),
  };
}
