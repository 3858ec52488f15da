// Uploads: what is sent, how far it is, and what became of it.

import { computed, signal } from "@preact/signals";
import { session } from "./auth.ts";
import { bytes } from "./format.ts";
import { put, query, readSome, refresh } from "./files.ts";
import { isWorkedOn } from "./live.ts";
import { byId, may } from "./projects.ts";
import { toast } from "./toasts.ts";
import { t } from "./texts.ts";
import type { FileDoc } from "./types.ts";

export type UploadState =
  | "refused"
  | "waiting"
  | "sending"
  | "paused"
  | "failed"
  | "processing"
  | "ready";

export interface Upload {
  id: string;
  name: string;
  size: number;
  project: string;
  state: UploadState;
  sent: number;
  /** Bytes per second, of the last few seconds. */
  rate: number;
  why: string;
  file: FileDoc | null;
}

/** A file that a user handed over, with the folders that it lay in. */
export interface Given {
  file: File;
  name: string;
}

/** What sends: see sender.ts, which is fetched with the first upload. */
export interface Sender {
  add(id: string, given: Given, project: string): void;
  pause(id: string): void;
  /** Go on where it was, also after it has failed. */
  resume(id: string): void;
  remove(id: string): void;
}

const LOOK_AGAIN = 1500;
const LIST_AGAIN = 700;

export const uploads = signal<Upload[]>([]);
export const isOpen = signal(true);

export const active = computed(() =>
  uploads.value.filter((each) => ["waiting", "sending"].includes(each.state)),
);

const given = new Map<string, Given>();
const rates = new Map<string, { at: number; sent: number }[]>();
let sender: Promise<Sender> | null = null;
let last = 0;

/** Why nobody may upload this file here; null where it may be tried. */
export function refusal(size: number, project: string | null): string | null {
  if (!session.value?.user) return t.upload.signIn;
  if (project === null) return t.upload.noProject;
  if (!may(project, "POST")) return t.upload.forbidden(byId.value.get(project)?.name ?? project);
  const limit = session.value.upload_limit;
  return limit !== null && size >= limit ? t.upload.tooLarge(bytes(limit)) : null;
}

/** Take files in: what cannot be uploaded is told before a byte is sent. */
export async function add(files: Given[], project: string | null): Promise<void> {
  const reason = refusal(0, project);
  if (project === null || reason !== null) {
    toast(reason ?? t.upload.noProject, "bad");
    return;
  }
  const fresh = files.map((each): Upload => {
    const why = refusal(each.file.size, project);
    const id = `upload-${(last += 1)}`;
    if (why === null) given.set(id, each);
    return {
      id,
      name: each.name,
      size: each.file.size,
      project,
      state: why === null ? "waiting" : "refused",
      sent: 0,
      rate: 0,
      why: why ?? "",
      file: null,
    };
  });
  uploads.value = [...uploads.value, ...fresh];
  isOpen.value = true;
  const to = await theSender();
  for (const each of fresh) {
    const from = given.get(each.id);
    if (from && find(each.id)?.state === "waiting") to.add(each.id, from, project);
  }
}

/** Stop sending; what has come stays on the server. */
export async function pause(id: string): Promise<void> {
  update(id, { state: "paused", rate: 0 });
  (await theSender()).pause(id);
}

/** Go on where it was paused, or where it failed. */
export async function resume(id: string): Promise<void> {
  rates.delete(id);
  update(id, { state: "waiting", rate: 0, why: "" });
  (await theSender()).resume(id);
}

export async function cancel(id: string): Promise<void> {
  uploads.value = uploads.value.filter((each) => each.id !== id);
  given.delete(id);
  (await theSender()).remove(id);
}

export function clearFinished(): void {
  const over: UploadState[] = ["ready", "refused", "failed"];
  for (const each of uploads.value) if (over.includes(each.state)) given.delete(each.id);
  uploads.value = uploads.value.filter((each) => !over.includes(each.state));
}

function theSender(): Promise<Sender> {
  sender ??= import("./sender.ts").then(({ send }) => send({ progressed, stored, failed }));
  return sender;
}

function progressed(id: string, sent: number): void {
  const now = performance.now();
  const seen = [...(rates.get(id) ?? []), { at: now, sent }].filter(({ at }) => now - at < 5000);
  rates.set(id, seen);
  const first = seen[0];
  const seconds = first ? (now - first.at) / 1000 : 0;
  const rate = first && seconds > 0.2 ? (sent - first.sent) / seconds : (find(id)?.rate ?? 0);
  update(id, { state: "sending", sent, rate });
}

function stored(id: string, fileId: string): void {
  const upload = find(id);
  given.delete(id);
  rates.delete(id);
  if (!upload) return;
  update(id, { state: "processing", sent: upload.size, rate: 0 });
  waiting.set(id, fileId);
  void look();
  if (query.peek()?.project === upload.project) listSoon();
}

function failed(id: string, why: string): void {
  rates.delete(id);
  update(id, { state: "failed", rate: 0, why });
}

function find(id: string): Upload | undefined {
  return uploads.peek().find((each) => each.id === id);
}

function update(id: string, change: Partial<Upload>): void {
  uploads.value = uploads.peek().map((each) => (each.id === id ? { ...each, ...change } : each));
}

// The list changes with each file: many small ones cost one request together.
let listing: ReturnType<typeof setTimeout> | null = null;

function listSoon(): void {
  listing ??= setTimeout(() => {
    listing = null;
    refresh();
  }, LIST_AGAIN);
}

// What is stored is asked about, all together, until nothing more is made of it.
const waiting = new Map<string, string>();
let looking = false;

async function look(): Promise<void> {
  if (looking) return;
  looking = true;
  try {
    while (waiting.size > 0) {
      const some = [...waiting].slice(0, 100);
      try {
        const found = await readSome(some.map(([, fileId]) => fileId));
        put(found);
        const byFile = new Map(found.map((file) => [file._id, file]));
        for (const [id, fileId] of some) settle(id, byFile.get(fileId));
      } catch {
        // The server is away for a moment: the next time will tell.
      }
      if (waiting.size > 0) await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN));
    }
  } finally {
    looking = false;
  }
}

function settle(id: string, file: FileDoc | undefined): void {
  if (file && isWorkedOn(file)) {
    update(id, { file });
    return;
  }
  waiting.delete(id);
  const why = file?.status === "failed" ? (file.processing?.error ?? t.upload.failedProcessing) : "";
  update(id, { state: "ready", file: file ?? null, why });
}

addEventListener("beforeunload", (event) => {
  if (active.value.length > 0) event.preventDefault();
});
