// Give a file another name.

import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { change } from "../actions.ts";
import { toast } from "../toasts.ts";
import { t } from "../texts.ts";
import type { FileDoc } from "../types.ts";
import { Button, Dialog, Field } from "../ui.tsx";

export const renaming = signal<FileDoc | null>(null);

export function RenameLayer() {
  const file = renaming.value;
  return file && <Rename key={file._id} file={file} />;
}

function Rename({ file }: { file: FileDoc }) {
  const [name, setName] = useState(file.filename);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.setSelectionRange(0, stemOf(file.filename)), []);
  const close = (): void => {
    renaming.value = null;
  };
  const save = async (): Promise<void> => {
    close();
    const wanted = name.trim();
    if (!wanted || wanted === file.filename) return;
    const now = await change(file, { filename: wanted });
    if (now?.filename === wanted) toast(t.change.renamed);
  };
  return (
    <Dialog title={t.change.renameTitle} onClose={close}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <Field label={t.change.newName}>
          {(id) => (
            <input
              id={id}
              value={name}
              maxLength={255}
              required
              autofocus
              // The part before the extension is what people change.
              ref={field}
              onInput={(event) => setName(event.currentTarget.value)}
            />
          )}
        </Field>
        <footer>
          <Button label={t.cancel} onClick={close} />
          <Button label={t.save} kind="primary" type="submit" />
        </footer>
      </form>
    </Dialog>
  );
}

function stemOf(name: string): number {
  const dot = name.lastIndexOf(".");
  return dot > 0 ? dot : name.length;
}
