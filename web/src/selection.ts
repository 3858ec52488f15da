// Which files are chosen, by mouse and keyboard as in file managers. Pure.
//
// `active` is the place that the keyboard is at, `anchor` the one that Shift reaches from. Both are
// places in the list; what is chosen is remembered by id, so it stays when the list changes.

export interface Selection {
  chosen: ReadonlySet<string>;
  active: number;
  anchor: number;
}

export const NOTHING: Selection = { chosen: new Set(), active: -1, anchor: -1 };

/** The id at a place in the list, where it is known. */
export type IdAt = (index: number) => string | undefined;

export interface Held {
  ctrl: boolean;
  shift: boolean;
}

/** After a click on a place. */
export function clicked(now: Selection, index: number, idAt: IdAt, held: Held): Selection {
  const id = idAt(index);
  if (id === undefined) return now;
  if (held.shift && now.anchor >= 0) {
    const reached = range(now.anchor, index, idAt);
    const chosen = held.ctrl ? new Set([...now.chosen, ...reached]) : reached;
    return { chosen, active: index, anchor: now.anchor };
  }
  if (held.ctrl) {
    const chosen = new Set(now.chosen);
    if (!chosen.delete(id)) chosen.add(id);
    return { chosen, active: index, anchor: index };
  }
  return { chosen: new Set([id]), active: index, anchor: index };
}

/** After an arrow key led to a place; with Ctrl alone the choice stays. */
export function moved(now: Selection, index: number, idAt: IdAt, held: Held): Selection {
  if (held.shift) {
    const anchor = now.anchor < 0 ? Math.max(0, now.active) : now.anchor;
    return { chosen: range(anchor, index, idAt), active: index, anchor };
  }
  if (held.ctrl) return { ...now, active: index };
  const id = idAt(index);
  return { chosen: id === undefined ? new Set() : new Set([id]), active: index, anchor: index };
}

/** Where a key leads in a list of `total` with so many in a row; null where it leads nowhere. */
export function target(
  key: string,
  from: number,
  total: number,
  columns: number,
  pageful: number,
): number | null {
  if (total === 0) return null;
  const steps: Record<string, number> = {
    ArrowLeft: from - 1,
    ArrowRight: from + 1,
    ArrowUp: from - columns,
    ArrowDown: from + columns,
    PageUp: from - pageful,
    PageDown: from + pageful,
    Home: 0,
    End: total - 1,
  };
  const to = steps[key];
  if (to === undefined) return null;
  if (from < 0) return key === "End" ? total - 1 : 0;
  if (to >= 0 && to < total) return to;
  if (key === "PageUp" || key === "ArrowLeft") return 0;
  if (key === "PageDown" || key === "ArrowRight") return total - 1;
  const isLastRow = Math.floor(from / columns) === Math.floor((total - 1) / columns);
  return key === "ArrowDown" && !isLastRow ? total - 1 : from;
}

function range(from: number, to: number, idAt: IdAt): Set<string> {
  const ids = new Set<string>();
  for (let index = Math.min(from, to); index <= Math.max(from, to); index += 1) {
    const id = idAt(index);
    if (id !== undefined) ids.add(id);
  }
  return ids;
}
