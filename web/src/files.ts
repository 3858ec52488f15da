// The files of the list that is shown, of which only what was looked at is fetched.
//
// The list has a known length from its first page on; pages are fetched as they scroll into view, so
// a list of a hundred thousand can be jumped about in, and little of it is in memory.

import { batch, computed, effect, signal } from "@preact/signals";
import { address, api, get, sentence, wasAborted } from "./api.ts";
import { EVERYTHING, type Query, sortOf, whereOf } from "./query.ts";
import { clicked, type Held, moved, NOTHING, type Selection } from "./selection.ts";
import { session } from "./auth.ts";
import { toast } from "./toasts.ts";
import { t } from "./texts.ts";
import type { FileDoc, List } from "./types.ts";

const PAGE = 100;
const KEPT = 40;
const FIELDS = [
  ...["filename", "description", "content_type", "format", "length", "status", "processing"],
  ...["user", "project", "width", "height", "duration", "media.frame_rate", "link"],
  ...["variations.size", "variations.content_type", "variations.link", "variations.is_public"],
  ...["variations.width", "variations.height", "link_expires"],
];
const PROJECTION = Object.fromEntries(FIELDS.map((field) => [field, 1]));

export const query = signal<Query | null>(null);
export const total = signal<number | null>(null);
export const failure = signal<string | null>(null);
export const selection = signal<Selection>(NOTHING);

/** Counts the changes of what is known, for those who show it. */
export const revision = signal(0);

let pages = new Map<number, { items: FileDoc[]; isStale: boolean; used: number }>();
let asked = new Map<number, AbortController>();
let shown: [number, number] = [0, 0];
let uses = 0;

/** The file at a place in the list, where it has been fetched. */
export function fileAt(index: number): FileDoc | undefined {
  return pages.get(Math.floor(index / PAGE))?.items[index % PAGE];
}

export function idAt(index: number): string | undefined {
  return fileAt(index)?._id;
}

/** The place of a file among those that have been fetched, else -1. */
export function indexOf(id: string): number {
  for (const [page, { items }] of pages) {
    const at = items.findIndex((item) => item._id === id);
    if (at >= 0) return page * PAGE + at;
  }
  return -1;
}

export function known(id: string): FileDoc | undefined {
  for (const { items } of pages.values()) {
    const found = items.find((item) => item._id === id);
    if (found) return found;
  }
  return undefined;
}

/** Those of the list that are in view. */
export function inView(): FileDoc[] {
  const found: FileDoc[] = [];
  for (let index = shown[0]; index < shown[1]; index += 1) {
    const file = fileAt(index);
    if (file) found.push(file);
  }
  return found;
}

export const chosen = computed(() => {
  revision.value;
  return selection.value.chosen;
});

/** Show another list. What was chosen stays only where the list is of the same project. */
export function show(project: string, change: Partial<Query> = {}): void {
  const before = query.peek();
  const same = before?.project === project;
  const next: Query = { ...(same ? before : { project, ...EVERYTHING }), ...change };
  if (same && JSON.stringify(next) === JSON.stringify(before)) return;
  batch(() => {
    query.value = next;
    selection.value = NOTHING;
    forget();
  });
  look(0, 60);
}

/** Show no list, because its project is gone. */
export function showNothing(): void {
  batch(() => {
    query.value = null;
    selection.value = NOTHING;
    forget();
  });
}

/** Fetch what is missing of these places, and no more what was asked for elsewhere. */
export function look(from: number, to: number): void {
  shown = [from, to];
  if (!query.peek()) return;
  const [first, last] = [Math.floor(from / PAGE), Math.floor(Math.max(from, to - 1) / PAGE)];
  for (const [page, controller] of asked) {
    if (page < first - 1 || page > last + 1) {
      controller.abort();
      asked.delete(page);
    }
  }
  for (let page = first; page <= last; page += 1) {
    const there = pages.get(page);
    if (there) there.used = uses += 1;
    if ((!there || there.isStale) && !asked.has(page)) void fetchPage(page);
  }
}

/** Fetch anew what is in view, and the rest when it comes into view; what is shown stays meanwhile. */
export function refresh(): void {
  for (const page of pages.values()) page.isStale = true;
  for (const controller of asked.values()) controller.abort();
  asked = new Map();
  look(...shown);
}

/** Put newer states in the place of older ones. */
export function put(files: FileDoc[]): void {
  const newer = new Map(files.map((file) => [file._id, file]));
  for (const page of pages.values()) {
    page.items = page.items.map((item) => {
      const found = newer.get(item._id);
      return found ? { ...item, ...found } : item;
    });
  }
  revision.value += 1;
}

/** Take files out of the list at once, before the server has been asked. */
export function drop(ids: ReadonlySet<string>): void {
  const all = [...pages.entries()].sort(([a], [b]) => a - b);
  let gone = 0;
  for (const [, page] of all) {
    const kept = page.items.filter((item) => !ids.has(item._id));
    gone += page.items.length - kept.length;
    page.items = kept;
    page.isStale = true;
  }
  batch(() => {
    if (total.value !== null) total.value = Math.max(0, total.value - gone);
    selection.value = { ...NOTHING, active: Math.min(selection.value.active, (total.value ?? 0) - 1) };
    revision.value += 1;
  });
}

export function click(index: number, held: Held): void {
  selection.value = clicked(selection.value, index, idAt, held);
}

export async function move(index: number, held: Held): Promise<void> {
  await ensure(index, index + 1);
  selection.value = moved(selection.value, index, idAt, held);
}

/** Choose everything in the list, also what has not been fetched. */
export async function chooseAll(): Promise<void> {
  const listed = query.value;
  if (!listed) return;
  const ids: string[] = [];
  let next: string | null = address("/api/files", {
    where: whereOf(listed),
    sort: sortOf(listed),
    projection: { filename: 1 },
    max_results: 250,
    show_deleted: listed.deleted,
  });
  while (next !== null && query.value === listed) {
    const list: List<FileDoc> = await get<List<FileDoc>>(next);
    ids.push(...list._items.map((item) => item._id));
    selection.value = { ...selection.value, chosen: new Set(ids) };
    next = list._links?.next ? `/api/${list._links.next.href}` : null;
  }
}

/** Fetch places and wait for them. */
export async function ensure(from: number, to: number): Promise<void> {
  const wanted: Promise<void>[] = [];
  for (let page = Math.floor(from / PAGE); page <= Math.floor((to - 1) / PAGE); page += 1) {
    if (!pages.has(page)) wanted.push(fetchPage(page));
  }
  await Promise.all(wanted);
}

/** One file with all that is known of it. */
export function read(id: string, signal?: AbortSignal): Promise<FileDoc> {
  return get<FileDoc>(`/api/files/${id}`, {}, signal);
}

/** Several files as the list shows them. */
export async function readSome(ids: string[]): Promise<FileDoc[]> {
  if (ids.length === 0) return [];
  const list = await api<List<FileDoc>>("GET", "/api/files", {
    query: {
      where: { _id: { $in: ids } },
      projection: PROJECTION,
      max_results: 250,
      show_deleted: query.peek()?.deleted ?? false,
    },
  });
  return list._items;
}

function forget(): void {
  for (const controller of asked.values()) controller.abort();
  pages = new Map();
  asked = new Map();
  shown = [0, 60];
  total.value = null;
  failure.value = null;
  revision.value += 1;
}

async function fetchPage(page: number): Promise<void> {
  const listed = query.peek();
  if (!listed) return;
  const controller = new AbortController();
  asked.set(page, controller);
  try {
    const list = await get<List<FileDoc>>(
      "/api/files",
      {
        where: whereOf(listed),
        sort: sortOf(listed),
        projection: PROJECTION,
        max_results: PAGE,
        page: page + 1,
        show_deleted: listed.deleted,
      },
      controller.signal,
    );
    if (query.peek() !== listed || controller.signal.aborted) return;
    pages.set(page, { items: list._items, isStale: false, used: (uses += 1) });
    evict();
    batch(() => {
      total.value = list._meta.total;
      failure.value = null;
      revision.value += 1;
    });
  } catch (error) {
    if (wasAborted(error)) return;
    if (total.peek() === null) failure.value = sentence(error);
    else toast(t.files.notRead(sentence(error)), "bad");
  } finally {
    if (asked.get(page) === controller) asked.delete(page);
  }
}

function evict(): void {
  if (pages.size <= KEPT) return;
  const [first, last] = [Math.floor(shown[0] / PAGE), Math.floor(shown[1] / PAGE)];
  const oldest = [...pages].filter(([page]) => page < first || page > last);
  oldest.sort(([, a], [, b]) => a.used - b.used);
  for (const [page] of oldest.slice(0, pages.size - KEPT)) pages.delete(page);
}

// Another user sees other files.
let reader: string | null | undefined;
effect(() => {
  const id = session.value === null ? undefined : (session.value.user?._id ?? null);
  if (reader !== undefined && id !== undefined && id !== reader && query.peek()) {
    forget();
    look(0, 60);
  }
  reader = id ?? reader;
});
