// The projects that the reader may see.

import { computed, signal } from "@preact/signals";
import { address, api, get, sentence } from "./api.ts";
import type { List, Project } from "./types.ts";

export const projects = signal<Project[] | null>(null);
export const failure = signal<string | null>(null);

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

export function may(project: string | undefined, method: "POST" | "PUT" | "DELETE"): boolean {
  return byId.value.get(project ?? "")?.allowed_methods.includes(method) ?? false;
}
