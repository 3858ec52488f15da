// Requests to the API of the server that the page came from.

import { credentials, renew, user } from "./auth.ts";
import { t } from "./texts.ts";

/** A request that was refused, or that never came through (`status` 0). */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly issues: Record<string, string>;

  constructor(status: number, code: string, message: string, issues: Record<string, string> = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.issues = issues;
  }
}

export interface Asked {
  query?: Record<string, string | number | boolean | object | null | undefined>;
  json?: unknown;
  form?: Record<string, string>;
  etag?: string;
  signal?: AbortSignal | undefined;
  headers?: Record<string, string>;
}

/** The address of a route with its parameters; objects are written as JSON. */
export function address(path: string, query: Asked["query"] = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === null || value === undefined || value === false) continue;
    parameters.set(name, typeof value === "object" ? JSON.stringify(value) : String(value));
  }
  const text = parameters.toString();
  return text ? `${path}?${text}` : path;
}

/** Send a request and read the JSON of its answer; null where there is none. */
export async function api<T>(method: string, path: string, asked: Asked = {}): Promise<T> {
  let answer = await send(method, path, asked);
  if (answer.status === 403 && (await nameOf(answer.clone())) === "csrf") {
    await renew();
    answer = await send(method, path, asked);
  }
  if (answer.status === 403 && user.peek() && !path.startsWith("/api/session")) {
    // The session may have ended meanwhile, which the whole page has to know.
    await renew();
  }
  if (!answer.ok) throw await problem(answer);
  if (answer.status === 204) return null as T;
  return (await answer.json()) as T;
}

export function get<T>(path: string, query?: Asked["query"], signal?: AbortSignal): Promise<T> {
  return api<T>("GET", path, { ...(query ? { query } : {}), signal });
}

/** What an answer that is no success says. */
export async function problem(answer: Response): Promise<ApiError> {
  return explained(answer.status, await answer.text().catch(() => ""));
}

/** What the status and the body of an answer say that is no success. */
export function explained(status: number, body: string): ApiError {
  try {
    const told = JSON.parse(body) as {
      _error?: { name: string; message: string };
      _issues?: Record<string, string>;
    };
    if (told._error) {
      return new ApiError(status, told._error.name, told._error.message, told._issues);
    }
  } catch {
    // What is not JSON came from something between here and the server.
  }
  return new ApiError(status, "http", t.errors.status(status));
}

/** A sentence for a person, whatever was thrown. */
export function sentence(error: unknown): string {
  if (error instanceof ApiError) {
    const issues = Object.entries(error.issues).map(([field, wrong]) => `${field}: ${wrong}`);
    return [error.message, ...issues].join(" ");
  }
  return error instanceof Error ? error.message : String(error);
}

export function wasAborted(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

async function send(method: string, path: string, asked: Asked): Promise<Response> {
  const headers = new Headers({ ...credentials(method), ...asked.headers });
  let body: BodyInit | null = null;
  if (asked.json !== undefined) {
    headers.set("Content-Type", "application/json");
    body = JSON.stringify(asked.json);
  } else if (asked.form) {
    body = new URLSearchParams(asked.form);
  }
  if (asked.etag) headers.set("If-Match", `"${asked.etag}"`);
  try {
    return await fetch(address(path, asked.query), {
      method,
      headers,
      body,
      credentials: "same-origin",
      signal: asked.signal ?? null,
    });
  } catch (error) {
    if (wasAborted(error)) throw error;
    throw new ApiError(0, "unreachable", t.errors.unreachable);
  }
}

async function nameOf(answer: Response): Promise<string> {
  return (await problem(answer)).code;
}
