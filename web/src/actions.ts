// What is done to files, with what the user is told of it.

import { ApiError, api, sentence } from "./api.ts";
import { moment } from "./format.ts";
import { drop, known, put, query, read, readSome, refresh, selection } from "./files.ts";
import { isAdmin, user } from "./auth.ts";
import { may } from "./projects.ts";
import { toast } from "./toasts.ts";
import { t } from "./texts.ts";
import type { FileDoc } from "./types.ts";

const AT_ONCE = 4;
const MOST_IDS = 100;

/** Whether the reader may change and delete a file; the server has the last word. */
export function mayChange(file: FileDoc): boolean {
  const me = user.value;
  if (!me) return false;
  if (file.project) return may(file.project, "PUT");
  return isAdmin.value || file.user === me._id;
}

export function mayDelete(file: FileDoc): boolean {
  return file.project ? may(file.project, "DELETE") : mayChange(file);
}

/** Change fields of a file; gives the document as it is then. */
export async function change(
  file: FileDoc,
  fields: { filename?: string; description?: string | null },
): Promise<FileDoc | null> {
  try {
    await api("PATCH", `/api/files/${file._id}`, { json: fields, etag: file._etag });
  } catch (error) {
    const isOld = error instanceof ApiError && error.status === 412;
    toast(isOld ? t.change.conflict : sentence(error), "bad");
    if (!isOld) return null;
  }
  const now = await read(file._id);
  put([now]);
  return now;
}

/** Delete files, which can be undone for a while. */
export async function remove(files: FileDoc[]): Promise<void> {
  drop(new Set(files.map((file) => file._id)));
  const { done, wrong } = await each(files, async (file) => {
    // What is being worked on has another etag every few seconds.
    const { _etag } = await read(file._id);
    await api("DELETE", `/api/files/${file._id}`, { etag: _etag });
  });
  if (done.length > 0) {
    toast(t.change.deleted(done.length), "good", {
      label: t.undo,
      run: () => void restore(done),
    });
  }
  if (wrong.length > 0) complain(wrong);
  refresh();
}

export async function restore(files: FileDoc[]): Promise<void> {
  if (query.value?.deleted) drop(new Set(files.map((file) => file._id)));
  const { done, wrong } = await each(files, (file) =>
    api("POST", `/api/files/${file._id}/restore`),
  );
  if (done.length > 0) toast(t.change.restored(done.length));
  if (wrong.length > 0) complain(wrong);
  refresh();
}

/** Have the work on a file done again that failed. */
export async function tryAgain(file: FileDoc): Promise<FileDoc | null> {
  try {
    await api("POST", `/api/files/${file._id}/process`);
    toast(t.details.againStarted);
    const now = await read(file._id);
    put([now]);
    return now;
  } catch (error) {
    toast(sentence(error), "bad");
    return null;
  }
}

export async function copyLink(file: FileDoc, link = file.link): Promise<void> {
  if (!link) {
    toast(t.details.noLinks, "bad");
    return;
  }
  const ends = file.link_expires && link.includes("?");
  await copy(link, ends ? t.details.copiedUntil(moment(file.link_expires ?? "")) : t.details.copied);
}

export async function copy(text: string, said: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toast(said);
  } catch {
    toast(t.details.notCopied, "bad");
  }
}

/** Save originals, under the names that they have here. */
export async function download(files: FileDoc[]): Promise<void> {
  if (files.length > 1) toast(t.change.downloading(files.length));
  for (const file of files) {
    const link = file.link ?? (await read(file._id)).link;
    if (!link) {
      toast(t.details.noLinks, "bad");
      return;
    }
    save(link, file.filename);
    // Browsers drop downloads that begin in the same moment.
    if (files.length > 1) await new Promise((resolve) => setTimeout(resolve, 300));
  }
}

/** The chosen files that have been fetched. */
export function chosenFiles(): FileDoc[] {
  return [...selection.value.chosen].map(known).filter((file) => file !== undefined);
}

/** The chosen files, those too that were chosen without having been looked at. */
export async function allChosen(): Promise<FileDoc[]> {
  const ids = [...selection.value.chosen];
  const missing = ids.filter((id) => !known(id));
  const found = new Map<string, FileDoc>();
  for (let at = 0; at < missing.length; at += MOST_IDS) {
    for (const file of await readSome(missing.slice(at, at + MOST_IDS))) found.set(file._id, file);
  }
  return ids.map((id) => known(id) ?? found.get(id)).filter((file) => file !== undefined);
}

function save(link: string, name: string): void {
  const anchor = document.createElement("a");
  anchor.href = link;
  anchor.download = name.split("/").pop() ?? name;
  anchor.rel = "noopener";
  // Of another origin's files browsers ignore `download`: such a link must not replace the page.
  if (anchor.origin !== location.origin) anchor.target = "_blank";
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
}

async function each(
  files: FileDoc[],
  work: (file: FileDoc) => Promise<unknown>,
): Promise<{ done: FileDoc[]; wrong: unknown[] }> {
  const left = [...files];
  const done: FileDoc[] = [];
  const wrong: unknown[] = [];
  const worker = async (): Promise<void> => {
    for (let file = left.shift(); file; file = left.shift()) {
      try {
        await work(file);
        done.push(file);
      } catch (error) {
        wrong.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return { done, wrong };
}

function complain(wrong: unknown[]): void {
  toast(t.change.failed(wrong.length, sentence(wrong[0])), "bad");
}
