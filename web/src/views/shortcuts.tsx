// The keys that the page knows.

import { signal } from "@preact/signals";
import { t } from "../texts.ts";
import { Dialog } from "../ui.tsx";

export const showsShortcuts = signal(false);

export function ShortcutsLayer() {
  if (!showsShortcuts.value) return null;
  return (
    <Dialog
      title={t.keys.title}
      onClose={() => {
        showsShortcuts.value = false;
      }}
    >
      <dl class="keys">
        {t.keys.rows.map(([keys, what]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
