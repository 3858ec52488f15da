// What a browser remembers of how its user likes the page. No secrets are among it.

import { computed, effect, signal, type Signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";

function kept<T>(name: string, otherwise: T, isValid: (value: unknown) => boolean): Signal<T> {
  const key = `cella.${name}`;
  let first = otherwise;
  try {
    const found = localStorage.getItem(key);
    const value: unknown = found === null ? null : name === "theme" ? found : JSON.parse(found);
    if (isValid(value)) first = value as T;
  } catch {
    // A browser that keeps nothing gets what everybody begins with.
  }
  const value = signal(first);
  effect(() => {
    const text = typeof value.value === "string" ? value.value : JSON.stringify(value.value);
    try {
      localStorage.setItem(key, name === "theme" ? text : JSON.stringify(value.value));
    } catch {
      // See above.
    }
  });
  return value;
}

const oneOf =
  (...values: unknown[]) =>
  (value: unknown): boolean =>
    values.includes(value);

export const theme = kept<Theme>("theme", "system", oneOf("system", "light", "dark"));
export const layout = kept<"grid" | "list">("layout", "grid", oneOf("grid", "list"));
export const tileSize = kept("tile", 200, (value) => typeof value === "number" && value >= 100);
const besideFiles = kept("details", true, oneOf(true, false));

// In a narrow window details lie above the files, so they only come when they are asked for.
const narrow = matchMedia("(max-width: 860px)");
const isNarrow = signal(narrow.matches);
const aboveFiles = signal(false);
narrow.addEventListener("change", () => {
  isNarrow.value = narrow.matches;
});

export const showsDetails = computed(() => (isNarrow.value ? aboveFiles : besideFiles).value);

export function toggleDetails(): void {
  const which = isNarrow.value ? aboveFiles : besideFiles;
  which.value = !which.value;
}

effect(() => {
  const root = document.documentElement;
  if (theme.value === "system") delete root.dataset.theme;
  else root.dataset.theme = theme.value;
});
