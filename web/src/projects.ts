// The projects that the reader may see.

import { computed, signal } from "@preact/signals";
import { address, api, get, sentence } from "./api.ts";
import { query, showNothing } from "./files.ts";
import { go, place } from "./router.ts";
import { toast } from "./toasts.ts";
import type { List, Permissions, Project } from "./types.ts";

export const projects = signal<Project[] | null>(null);
export const failure = signal<string | null>(null);

/** The id of the project whose members and settings are shown. */
export const managing = signal<string | null>(null);

export const byId = computed(() => new Map(projects.value?.map((each) => [each._id, each]) ?? []));

export async function load(): Promise<void> {
  const found: Project[] = [];
  let next: string | null = address("/api/projects", { max_results: 250 });
  try {
    while (next !== null) {
      const list: List<Project> = await get<List<Project>>(next);
      found.push(...list._items);
      next = list._links?.next ? `/api/${list._links.next.href}` : null;
    }
    found.sort((a, b) => a.name.localeCompare(b.name));
    projects.value = found;
    failure.value = null;
  } catch (error) {
    failure.value = sentence(error);
    projects.value ??= [];
  }
}

export async function found(name: string, isPrivate: boolean): Promise<string> {
  const made = await api<{ _id: string }>("POST", "/api/projects", {
    json: { name, category: "film", permissions: { world: isPrivate ? [] : ["GET"] } },
  });
  await load();
  return made._id;
}

/** Change fields of a project; those parts of the permissions that are not named stay. */
export async function change(
  project: Project,
  fields: { name?: string; description?: string | null; permissions?: Partial<Permissions> },
): Promise<void> {
  await api("PATCH", `/api/projects/${project._id}`, { json: fields, etag: project._etag });
}

/** Go on without a project that was deleted, or that one is no longer in. */
export async function left(project: Project, said: string): Promise<void> {
  await load();
  managing.value = null;
  toast(said);
  if (byId.value.has(project._id)) return;
  if (query.value?.project === project._id) showNothing();
  if (place.value.view === "project" && place.value.project === project._id) go("/");
}

export function may(project: string | undefined, method: "POST" | "PUT" | "DELETE"): boolean {
  return byId.value.get(project ?? "")?.allowed_methods.includes(method) ?? false;
}
