// Names of users, asked for once each.

import { signal } from "@preact/signals";
import { address, get } from "./api.ts";
import type { List, Person, User } from "./types.ts";

const names = signal<ReadonlyMap<string, string>>(new Map());
const asked = new Set<string>();

/** The name of a user, a short form of the id until it is known. */
export function nameOf(id: string | undefined): string {
  if (!id) return "";
  const known = names.value.get(id);
  if (known === undefined && !asked.has(id)) {
    asked.add(id);
    void ask(id);
  }
  return known ?? "…";
}

export function learn(people: Person[]): void {
  const next = new Map(names.value);
  for (const person of people) {
    next.set(person._id, person.full_name || person.username || person._id.slice(0, 8));
  }
  names.value = next;
}

/** All users whose names are known, for filters. */
export function acquaintances(): [string, string][] {
  return [...names.value].sort(([, a], [, b]) => a.localeCompare(b));
}

/** Learn the names of a project's members, where the reader may see who they are. */
export async function meet(project: string): Promise<void> {
  try {
    learn((await get<{ _items: Person[] }>("/api/p/users", { project_id: project }))._items);
  } catch {
    // Others see the names of those whose files they have looked at.
  }
}

/** All users, whom administrators may list. */
export async function everyUser(signal: AbortSignal): Promise<User[]> {
  const found: User[] = [];
  let next: string | null = address("/api/users", { max_results: 250, sort: "username" });
  while (next !== null) {
    const list: List<User> = await get<List<User>>(next, {}, signal);
    found.push(...list._items);
    next = list._links?.next ? `/api/${list._links.next.href}` : null;
  }
  return found;
}

async function ask(id: string): Promise<void> {
  try {
    learn([{ ...(await get<Person>(`/api/users/${id}`)), _id: id }]);
  } catch {
    learn([{ _id: id }]);
  }
}
