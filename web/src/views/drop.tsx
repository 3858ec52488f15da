// Dropping, pasting and choosing, anywhere on the page.

import { useEffect, useState } from "preact/hooks";
import { filesIn, filesOf, hasFiles } from "../drops.ts";
import { query } from "../files.ts";
import { Icon } from "../icons.tsx";
import { byId } from "../projects.ts";
import { t } from "../texts.ts";
import { add } from "../uploads.ts";

/** Let the user choose files, or a folder. */
export function chooseFiles({ folder = false } = {}): void {
  const input = document.createElement("input");
  input.type = "file";
  input.multiple = true;
  input.webkitdirectory = folder;
  input.hidden = true;
  input.addEventListener("change", () => {
    if (input.files) void add(filesIn(input.files), query.value?.project ?? null);
    input.remove();
  });
  input.addEventListener("cancel", () => input.remove());
  document.body.append(input);
  input.click();
}

export function DropLayer() {
  const [isOver, setIsOver] = useState(false);
  useEffect(() => {
    let depth = 0;
    const listen = <K extends "dragenter" | "dragover" | "dragleave" | "drop">(
      name: K,
      hear: (event: DragEvent) => void,
    ): void => {
      addEventListener(name, (event) => {
        if (!hasFiles(event.dataTransfer)) return;
        event.preventDefault();
        hear(event);
      });
    };
    listen("dragenter", () => {
      depth += 1;
      setIsOver(true);
    });
    listen("dragover", (event) => {
      if (event.dataTransfer) event.dataTransfer.dropEffect = "copy";
    });
    listen("dragleave", () => {
      depth -= 1;
      if (depth <= 0) setIsOver(false);
    });
    listen("drop", (event) => {
      depth = 0;
      setIsOver(false);
      const project = query.peek()?.project ?? null;
      if (event.dataTransfer) {
        void filesOf(event.dataTransfer).then((files) => add(files, project));
      }
    });
    addEventListener("paste", (event) => {
      const isText = (event.target as Element | null)?.closest("input, textarea");
      if (isText || !event.clipboardData || !hasFiles(event.clipboardData)) return;
      event.preventDefault();
      const project = query.peek()?.project ?? null;
      void filesOf(event.clipboardData).then((files) => add(files, project));
    });
  }, []);
  if (!isOver) return null;
  const project = byId.value.get(query.value?.project ?? "");
  return (
    <div class="drop">
      <div>
        <Icon name="upload" size={44} />
        <strong>{t.upload.drop}</strong>
        <span>{project ? t.upload.dropTo(project.name) : t.upload.dropNowhere}</span>
      </div>
    </div>
  );
}
