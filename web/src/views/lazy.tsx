// Views that are fetched when they are first shown.

import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { t } from "../texts.ts";
import { toast } from "../toasts.ts";

export function lazy(fetch: () => Promise<ComponentType>): ComponentType {
  let there: ComponentType | null = null;
  return function Lazy() {
    const [Found, setFound] = useState<ComponentType | null>(() => there);
    useEffect(() => {
      if (there) return;
      fetch().then(
        (found) => {
          there = found;
          setFound(() => found);
        },
        () =>
          // A newer build has other names: loading the page again finds them.
          toast(t.errors.crashed, "bad", { label: t.errors.reload, run: () => location.reload() }),
      );
    }, []);
    return Found && <Found />;
  };
}
