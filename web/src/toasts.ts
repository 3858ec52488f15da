// Short messages that go away by themselves, with a way back where there is one.

import { signal } from "@preact/signals";

export interface Toast {
  id: number;
  text: string;
  tone: "good" | "bad";
  action: { label: string; run: () => void } | null;
}

const SECONDS = 8;

export const toasts = signal<Toast[]>([]);
const timers = new Map<number, ReturnType<typeof setTimeout>>();
let last = 0;

export function toast(
  text: string,
  tone: Toast["tone"] = "good",
  action: Toast["action"] = null,
): void {
  const id = (last += 1);
  toasts.value = [...toasts.value.slice(-3), { id, text, tone, action }];
  resume(id);
}

export function dismiss(id: number): void {
  pause(id);
  toasts.value = toasts.value.filter((each) => each.id !== id);
}

/** While a toast is looked at its time stands still. */
export function pause(id: number): void {
  clearTimeout(timers.get(id));
  timers.delete(id);
}

export function resume(id: number): void {
  pause(id);
  timers.set(
    id,
    setTimeout(() => dismiss(id), SECONDS * 1000),
  );
}
