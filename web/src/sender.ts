// Sends files, several at once, and tries again what a bad connection broke. Fetched when needed.

import Uppy from "@uppy/core";
import XHRUpload from "@uppy/xhr-upload";
import { explained } from "./api.ts";
import { credentials } from "./auth.ts";
import { t } from "./texts.ts";
import type { Sender } from "./uploads.ts";

type Meta = { key: string; project: string; relativePath: string };
type Answer = { status: string; file_id: string };

export interface Heard {
  progressed(id: string, sent: number): void;
  stored(id: string, fileId: string): void;
  failed(id: string, why: string): void;
}

const AT_ONCE = 3;
const STALL = 60_000;
const BUSY = new Set([0, 408, 429, 500, 502, 503, 504]);

export function send(heard: Heard): Sender {
  const uppy = new Uppy<Meta, Answer>({ autoProceed: true, allowMultipleUploadBatches: true });
  const names = new Map<string, string>();

  uppy.use(XHRUpload, {
    endpoint: (file) => {
      const meta = (Array.isArray(file) ? file[0] : file)?.meta as Meta | undefined;
      return `/api/storage/stream/${meta?.project ?? ""}`;
    },
    fieldName: "file",
    allowedMetaFields: false,
    limit: AT_ONCE,
    timeout: STALL,
    headers: () => ({ Prefer: "respond-async", ...credentials("POST") }),
    shouldRetry: (xhr) => BUSY.has(xhr.status),
    getResponseData: (xhr) => JSON.parse(xhr.responseText) as Answer,
  });
  uppy.on("upload-progress", (file, { bytesUploaded }) => {
    if (file && bytesUploaded) heard.progressed(file.meta.key, bytesUploaded);
  });
  uppy.on("upload-success", (file, { body }) => {
    if (!file || !body) return;
    heard.stored(file.meta.key, body.file_id);
    names.delete(file.meta.key);
    uppy.removeFile(file.id);
  });
  uppy.on("upload-error", (file, error) => {
    if (!file) return;
    const request = (error as { request?: XMLHttpRequest }).request;
    const status = request?.status ?? 0;
    const why = status
      ? explained(status, request?.responseText ?? "").message
      : t.upload.lost;
    heard.failed(file.meta.key, why);
  });

  return {
    add(id, { file, name }, project) {
      const meta = { key: id, project, relativePath: id };
      names.set(id, uppy.addFile({ name, type: file.type, data: file, meta }));
    },
    remove(id) {
      const name = names.get(id);
      if (name !== undefined && uppy.getFile(name)) uppy.removeFile(name);
      names.delete(id);
    },
    retry(id) {
      const name = names.get(id);
      if (name !== undefined) void uppy.retryUpload(name);
    },
  };
}
