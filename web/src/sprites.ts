// Which small picture of a film is shown when: WebVTT whose cues name a part of a sheet. Pure.

export interface Cue {
  from: number;
  to: number;
  sheet: string;
  x: number;
  y: number;
  width: number;
  height: number;
}

const TIMES = /^(?:(\d+):)?(\d{1,2}):(\d{1,2}\.\d+)\s+-->\s+(?:(\d+):)?(\d{1,2}):(\d{1,2}\.\d+)/;
const PART = /^(.+)#xywh=(\d+),(\d+),(\d+),(\d+)$/;

/** The cues of a list; the addresses in it are relative to `base`. */
export function cuesOf(text: string, base: string): Cue[] {
  const cues: Cue[] = [];
  let times: RegExpExecArray | null = null;
  for (const line of text.split(/\r?\n/)) {
    const found = TIMES.exec(line);
    if (found) {
      times = found;
      continue;
    }
    const part = times && PART.exec(line.trim());
    if (!times || !part) continue;
    const [, sheet = "", x, y, width, height] = part;
    cues.push({
      from: seconds(times[1], times[2], times[3]),
      to: seconds(times[4], times[5], times[6]),
      sheet: new URL(sheet, base).href,
      x: Number(x),
      y: Number(y),
      width: Number(width),
      height: Number(height),
    });
    times = null;
  }
  return cues;
}

/** The cue at a moment, the last one before it where there is a gap; null where there are none. */
export function cueAt(cues: Cue[], moment: number): Cue | null {
  let [low, high] = [0, cues.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((cues[middle] as Cue).from <= moment) low = middle + 1;
    else high = middle;
  }
  return cues[Math.max(0, low - 1)] ?? null;
}

function seconds(h: string | undefined, m: string | undefined, s: string | undefined): number {
  return Number(h ?? 0) * 3600 + Number(m) * 60 + Number(s);
}
