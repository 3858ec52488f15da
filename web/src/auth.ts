// Who is signed in. The page keeps no secret: the server's cookie is out of reach of scripts.

import { computed, signal } from "@preact/signals";
import { api } from "./api.ts";
import type { Person } from "./types.ts";

export interface Session {
  user: Person | null;
  /** Comes along with every change, so that no other page can have one made. */
  csrf?: string;
  /** Whether the user has a password here, and does not sign in with a token or a provider only. */
  has_password?: boolean;
  /** In bytes; null where there is no limit. */
  upload_limit: number | null;
  /** Where to begin signing in with a provider, if there is one. */
  sign_in?: { oidc?: string | null };
}

/** null until the server has said who this is. */
export const session = signal<Session | null>(null);
export const user = computed(() => session.value?.user ?? null);
export const isAdmin = computed(() => user.value?.roles?.includes("admin") ?? false);

export const isChangingPassword = signal(false);

/** The headers that a request needs besides the cookie. */
export function credentials(method: string): Record<string, string> {
  const csrf = session.value?.csrf;
  return csrf && !["GET", "HEAD", "OPTIONS"].includes(method) ? { "X-CSRF-Token": csrf } : {};
}

/** Ask the server anew who is signed in. */
export async function renew(): Promise<void> {
  session.value = await api<Session>("GET", "/api/session");
}

export async function signIn(
  proof: { username: string; password: string } | { token: string },
): Promise<void> {
  session.value = await api<Session>("POST", "/api/session", { json: proof });
}

export async function signOut(everywhere: boolean): Promise<void> {
  await api<null>("DELETE", "/api/session", { query: { everywhere } });
  await renew();
}
