// What is being made of files, as it is made.
//
// The file that is looked at is followed by server-sent events. A browser has six connections to a
// server that speaks HTTP/1.1, so all others in view are asked about together, every now and then.

import { effect, signal } from "@preact/signals";
import { ApiError } from "./api.ts";
import { credentials } from "./auth.ts";
import { inView, known, put, read, readSome, revision, selection } from "./files.ts";
import type { FileDoc, Processing, Status } from "./types.ts";

const PAUSE = 1500;
const AGAIN = 2000;

/** The newest full document of the file that is followed. */
export const followed = signal<FileDoc | null>(null);

interface Told {
  _id: string;
  _etag: string;
  status: Status;
  processing?: Processing;
}

export function isWorkedOn(file: { status: Status }): boolean {
  return file.status === "queued_for_processing" || file.status === "processing";
}

/** Follow a file until `signal` is aborted or nothing more is made of it; hands on each state. */
export async function follow(
  file: FileDoc,
  hear: (file: FileDoc) => void,
  signal: AbortSignal,
): Promise<void> {
  let now = file;
  while (!signal.aborted) {
    try {
      for await (const told of events(file._id, signal)) {
        if (told === "end") return;
        now = told._etag === now._etag ? { ...now, ...told } : await read(file._id, signal);
        if (told.processing) now = { ...now, processing: told.processing };
        hear(now);
      }
    } catch (error) {
      if (signal.aborted || (error instanceof ApiError && error.status < 500 && error.status)) return;
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN));
  }
}

async function* events(id: string, signal: AbortSignal): AsyncGenerator<Told | "end"> {
  const answer = await fetch(`/api/files/${id}/events`, { headers: credentials("GET"), signal });
  if (!answer.ok || !answer.body) throw new ApiError(answer.status, "http", answer.statusText);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const name = /^event: (.*)$/m.exec(block)?.[1];
      const data = /^data: (.*)$/m.exec(block)?.[1];
      if (name === "end") yield "end";
      else if (name === "file" && data) yield JSON.parse(data) as Told;
    }
  }
}

let timer: ReturnType<typeof setTimeout> | null = null;

async function ask(): Promise<void> {
  timer = null;
  const ids = inView().filter(isWorkedOn).map((file) => file._id);
  if (ids.length > 0 && document.visibilityState === "visible") {
    try {
      put(await readSome(ids.slice(0, 100)));
    } catch {
      // The server is away for a moment: the next time will tell.
    }
  }
  plan();
}

function plan(): void {
  if (timer === null && inView().some(isWorkedOn)) timer = setTimeout(() => void ask(), PAUSE);
}

effect(() => {
  revision.value;
  plan();
});

/** The one chosen file, where there is exactly one. */
export function only(): FileDoc | undefined {
  const { chosen } = selection.value;
  revision.value;
  const [id] = chosen;
  return chosen.size === 1 && id !== undefined ? known(id) : undefined;
}
