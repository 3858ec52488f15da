// Frames of a film and the moments at which they are shown. Pure.
//
// A rate is a fraction such as 24000/1001: as a decimal it would drift by a frame within minutes.

export interface Rate {
  over: number;
  under: number;
}

/** The rate that a document tells; null where it is none. */
export function rateOf(text: string | undefined): Rate | null {
  const found = /^(\d+)(?:\/(\d+))?$/.exec(text ?? "");
  if (!found) return null;
  const [over, under] = [Number(found[1]), Number(found[2] ?? 1)];
  return over > 0 && under > 0 ? { over, under } : null;
}

/** The frame that is shown at a moment. A moment a hair before a frame's begin counts as its begin. */
export function frameAt(seconds: number, rate: Rate): number {
  return Math.max(0, Math.floor((seconds * rate.over) / rate.under + 0.01));
}

/** A moment in the middle of a frame, where no rounding leads to its neighbour. */
export function middleOf(frame: number, rate: Rate): number {
  return ((frame + 0.5) * rate.under) / rate.over;
}

/** hh:mm:ss:ff, counted in frames without drops. */
export function timecode(frame: number, rate: Rate): string {
  const perSecond = Math.max(1, Math.round(rate.over / rate.under));
  const seconds = Math.floor(frame / perSecond);
  const parts = [
    Math.floor(seconds / 3600),
    Math.floor(seconds / 60) % 60,
    seconds % 60,
    frame % perSecond,
  ];
  return parts.map((part) => String(part).padStart(2, "0")).join(":");
}

/** The rate as people say it: 23.976, 24, 29.97. */
export function spoken(rate: Rate): string {
  return String(Math.round((rate.over / rate.under) * 1000) / 1000);
}
