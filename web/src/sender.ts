// Sends files in pieces (tus), several at once. What a connection breaks off, or somebody pauses,
// goes on where it was; also after the page was closed, when the same file is dropped again.
// Fetched when needed.

import { type DetailedError, type HttpResponse, Upload } from "tus-js-client";
import { explained, get, sentence } from "./api.ts";
import { credentials } from "./auth.ts";
import { t } from "./texts.ts";
import type { Given, Sender } from "./uploads.ts";

export interface Heard {
  progressed(id: string, sent: number): void;
  stored(id: string, fileId: string): void;
  failed(id: string, why: string): void;
}

interface Told {
  state: "receiving" | "storing" | "complete" | "failed";
  file?: string;
  reason?: string;
}

const AT_ONCE = 3;
/** Bytes up to which a file goes along with the request that begins its upload. */
const SMALL = 1 << 20;
const STALL = 60_000;
const LOOK_AGAIN = 1000;
const RETRIES = [500, 2000, 5000, 10_000];
const COMES_BACK = new Set([0, 408, 409, 500, 502, 503, 504]);

/** One file on its way; it holds one of the places while it is sent. */
interface Sending {
  upload: Upload;
  /** When something was heard of it last; null while it is not sent. */
  heard: number | null;
}

export function send(heard: Heard): Sender {
  const files = new Map<string, Sending>();
  const waiting = new Set<string>();

  function sent(): number {
    return [...files.values()].filter((each) => each.heard !== null).length;
  }

  function next(): void {
    for (const id of waiting) {
      if (sent() >= AT_ONCE) return;
      waiting.delete(id);
      const sending = files.get(id);
      if (!sending) continue;
      sending.heard = performance.now();
      void begin(sending);
    }
  }

  function queue(id: string): void {
    waiting.add(id);
    next();
  }

  /** Give the place to the next one. */
  async function stop(id: string, dropped = false): Promise<void> {
    waiting.delete(id);
    const sending = files.get(id);
    if (!sending) return;
    sending.heard = null;
    if (dropped) files.delete(id);
    next();
    await sending.upload.abort(dropped && sending.upload.url !== null).catch(() => undefined);
  }

  async function begin(sending: Sending): Promise<void> {
    const { upload } = sending;
    if (!upload.url && upload.options.storeFingerprintForResuming) {
      const inUse = new Set([...files.values()].map((each) => each.upload.url));
      const known = await upload.findPreviousUploads();
      const before = known.find((each) => !inUse.has(each.uploadUrl));
      if (before) upload.resumeFromPreviousUpload(before);
    }
    // Somebody may have paused it meanwhile.
    if (sending.heard !== null) upload.start();
  }

  async function settled(id: string, answer: HttpResponse): Promise<void> {
    const sending = files.get(id);
    if (!sending) return;
    let file = answer.getHeader("Cella-File");
    try {
      // A large file takes a moment to be put together from its pieces.
      while (!file && sending.upload.url) {
        const told = await get<Told>(new URL(sending.upload.url, location.href).pathname);
        if (told.state === "failed") throw new Error(told.reason);
        file = told.file;
        if (!file) await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN));
      }
      if (file) heard.stored(id, file);
    } catch (error) {
      // What has failed there for good is begun anew by who tries again.
      sending.upload.url = null;
      heard.failed(id, sentence(error));
      return;
    }
    files.delete(id);
  }

  function upload(id: string, { file, name }: Given, project: string): Upload {
    return new Upload(file, {
      endpoint: `/api/uploads/${project}`,
      metadata: { filename: name, filetype: file.type },
      uploadSize: file.size,
      uploadDataDuringCreation: file.size <= SMALL,
      storeFingerprintForResuming: file.size > SMALL,
      removeFingerprintOnSuccess: true,
      retryDelays: RETRIES,
      onBeforeRequest: (request) => {
        for (const [header, value] of Object.entries(credentials(request.getMethod()))) {
          request.setHeader(header, value);
        }
      },
      onShouldRetry: (error) => {
        const isOver = files.get(id)?.heard == null;
        return !isOver && COMES_BACK.has(statusOf(error));
      },
      onProgress: (count) => {
        const sending = files.get(id);
        if (!sending || sending.heard === null) return;
        sending.heard = performance.now();
        heard.progressed(id, count);
      },
      onSuccess: ({ lastResponse }) => {
        const sending = files.get(id);
        if (sending) sending.heard = null;
        next();
        void settled(id, lastResponse);
      },
      onError: (error) => {
        const sending = files.get(id);
        if (!sending) return;
        sending.heard = null;
        next();
        heard.failed(id, reason(error));
      },
    });
  }

  // A connection may die without a word: then begin anew where the server is.
  setInterval(() => {
    const since = performance.now() - STALL;
    for (const [id, sending] of files) {
      if (sending.heard === null || sending.heard > since) continue;
      void stop(id).then(() => queue(id));
    }
  }, STALL / 10);

  return {
    add(id, given, project) {
      files.set(id, { upload: upload(id, given, project), heard: null });
      queue(id);
    },
    pause: (id) => void stop(id),
    resume: queue,
    remove: (id) => void stop(id, true),
  };
}

function statusOf(error: Error | DetailedError): number {
  return ("originalResponse" in error && error.originalResponse?.getStatus()) || 0;
}

function reason(error: Error | DetailedError): string {
  const status = statusOf(error);
  if (status === 0) return t.upload.lost;
  const body = "originalResponse" in error ? (error.originalResponse?.getBody() ?? "") : "";
  return explained(status, body).message;
}
