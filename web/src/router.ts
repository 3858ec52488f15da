// The address: which view is shown. Views are addresses, so they can be sent to a colleague.

import { computed, signal } from "@preact/signals";

export type Place =
  | { view: "home" }
  | { view: "sign-in" }
  | { view: "project"; project: string }
  | { view: "file"; file: string }
  | { view: "admin"; part: string };

const path = signal(location.pathname);

export const place = computed(() => parse(path.value));

/** Pure: the place that a path means. */
export function parse(pathname: string): Place {
  const [first = "", second = ""] = pathname.split("/").filter(Boolean);
  if (first === "p" && second) return { view: "project", project: second };
  if (first === "f" && second) return { view: "file", file: second };
  if (first === "admin") return { view: "admin", part: second || "overview" };
  if (first === "sign-in") return { view: "sign-in" };
  return { view: "home" };
}

export function go(to: string, { replace = false } = {}): void {
  if (to === location.pathname) return;
  history[replace ? "replaceState" : "pushState"](null, "", to);
  path.value = location.pathname;
}

/** Follow links of our own without loading the page anew. */
export function follow(event: MouseEvent): void {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) {
    return;
  }
  const link = (event.target as Element | null)?.closest("a");
  if (!link || link.target || link.hasAttribute("download")) return;
  if (link.origin !== location.origin || link.pathname.startsWith("/api")) return;
  event.preventDefault();
  go(link.pathname);
}

addEventListener("popstate", () => {
  path.value = location.pathname;
});
